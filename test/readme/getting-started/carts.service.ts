/** A service on the store. */
import { Injectable } from '@nestjs/common';
import { Dkv, InjectDkv } from 'nestjs-dkv';

export interface Cart {
  readonly items: readonly string[];
}

@Injectable()
export class CartsService {
  constructor(@InjectDkv('carts') private readonly carts: Dkv<Cart>) {}

  async of(user: string): Promise<Cart> {
    return (await this.carts.get(user))?.value ?? { items: [] };
  }

  /** Loses no item, however many requests of one user come at once, at whichever process. */
  async add(user: string, item: string): Promise<Cart> {
    const pair = await this.carts.update(user, (cart) => ({
      items: [...(cart?.items ?? []), item],
    }));
    return pair!.value;
  }
}
