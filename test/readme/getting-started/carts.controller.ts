/** The service over HTTP. */
import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { type Cart, CartsService } from './carts.service.js';

@Controller('carts')
export class CartsController {
  constructor(private readonly carts: CartsService) {}

  @Get(':user')
  of(@Param('user') user: string): Promise<Cart> {
    return this.carts.of(user);
  }

  @Post(':user')
  add(@Param('user') user: string, @Body() { item }: { item: string }): Promise<Cart> {
    return this.carts.add(user, item);
  }
}
