/** The example of docs/errors.md, as it stands there: compiled and run by the tests. */
import { type INestApplication } from '@nestjs/common';
import { DkvExceptionFilter } from 'nestjs-dkv';

export function answer(app: INestApplication): void {
  app.useGlobalFilters(new DkvExceptionFilter()); // a bad key is 400, a conflict 409, not applied 503, unknown 504
}
