/** The examples of docs/options.md, as they stand there: compiled and run by the tests. */
import { Module } from '@nestjs/common';
import { IsString } from 'class-validator';
import { type Dkv, DkvModule, InjectDkv, ObservedRemoveMapMerger } from 'nestjs-dkv';

class Session {
  @IsString() user!: string;
}

@Module({
  imports: [
    DkvModule.forFeature([
      { name: 'sessions', ttlMs: 3_600_000, validate: Session },
      { name: 'presence', mode: 'eventual', replicas: 1, merger: new ObservedRemoveMapMerger() },
    ]),
  ],
})
export class SessionsModule {
  constructor(@InjectDkv('sessions') readonly sessions: Dkv<Session>) {}
}
