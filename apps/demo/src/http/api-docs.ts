/** Swagger UI at `/docs`, its document at `/docs-json`. */
import { type INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

export const DOCS_PATH = '/docs';

export function serveApiDocs(app: INestApplication): void {
  const config = new DocumentBuilder()
    .setTitle('nestjs-dkv demo')
    .setDescription(
      'A replicated key-value store inside the processes of this application: every node answers for every ' +
        'key. Keys are percent-encoded in paths, `/` as `%2F`; values are any JSON.',
    )
    .setVersion('1')
    .build();
  SwaggerModule.setup(DOCS_PATH, app, () => SwaggerModule.createDocument(app, config));
}
