/** What {@link HttpServiceDiscovery} needs of an application: two routes on its own listener, which the service calls. */
import {
  Controller,
  type DynamicModule,
  Get,
  HttpCode,
  Inject,
  Module,
  NotFoundException,
  Param,
  Post,
} from '@nestjs/common';
import {
  CALLBACK_PATH,
  HttpServiceDiscovery,
  type HttpServiceDiscoveryOptions,
} from './http-service-discovery.js';

@Controller(CALLBACK_PATH)
export class HttpServiceDiscoveryController {
  constructor(@Inject(HttpServiceDiscovery) private readonly discovery: HttpServiceDiscovery) {}

  /** 404 for a registration that is none any more. */
  @Get('health/:run')
  health(@Param('run') run: string): { status: 'up' } {
    if (!this.discovery.isHealthy(run)) {
      throw new NotFoundException('This node is not registered as that.');
    }
    return { status: 'up' };
  }

  /** What the service posts is not looked at: it has no key. */
  @Post('update')
  @HttpCode(200)
  update(): void {
    this.discovery.update();
  }
}

/** Import it beside `DkvModule`, and give that its {@link HttpServiceDiscovery} as `discovery`. */
@Module({})
export class HttpServiceDiscoveryModule {
  /** @throws DkvError `DKV_INVALID_OPTIONS` */
  static forRoot(options: HttpServiceDiscoveryOptions): DynamicModule {
    return HttpServiceDiscoveryModule.of(new HttpServiceDiscovery(options));
  }

  /** For a discovery that the application has made itself. */
  static of(discovery: HttpServiceDiscovery): DynamicModule {
    return {
      module: HttpServiceDiscoveryModule,
      controllers: [HttpServiceDiscoveryController],
      providers: [{ provide: HttpServiceDiscovery, useValue: discovery }],
      exports: [HttpServiceDiscovery],
    };
  }
}
