/** A Consul agent, as far as discovery asks it: services with a TTL check, and questions that wait for something new. In memory. */
import { type Clock, type Timer } from '../../src/ports/clock.js';
import { awakened, type StandIn, type StandInAnswer, type StandInRequest } from './stand-in.js';

interface Registration {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Meta: Readonly<Record<string, string>>;
  readonly Check: { readonly TTL: string };
}

interface Service extends Registration {
  status: 'passing' | 'critical';
  timer: Timer;
}

export class ConsulStandIn implements StandIn {
  private index = 10;
  private services = new Map<string, Service>();
  private readonly waiting = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  /** It starts again, without what it knew. */
  replace(): void {
    for (const { timer } of this.services.values()) {
      timer.cancel();
    }
    this.services = new Map();
    this.index = 5;
    this.waiting.forEach((wake) => wake());
  }

  /** It is made anew from a backup, which has the same services. */
  restore(): void {
    this.index = 5;
    this.waiting.forEach((wake) => wake());
  }

  get ids(): readonly string[] {
    return [...this.services.keys()];
  }

  /** Of checks that pass, and of questions that wait. */
  get pendingTimers(): number {
    const passing = [...this.services.values()].filter(({ status }) => status === 'passing');
    return passing.length + this.waiting.size;
  }

  async handle({ method, path, query, body, gone }: StandInRequest): Promise<StandInAnswer> {
    const [, route = '', name = ''] =
      /^(PUT \/v1\/agent\/service\/register|PUT \/v1\/agent\/service\/deregister\/|PUT \/v1\/agent\/check\/pass\/service:|GET \/v1\/health\/service\/)(.*)$/.exec(
        `${method} ${path}`,
      ) ?? [];
    switch (route) {
      case 'PUT /v1/agent/service/register':
        this.register(body as Registration);
        return { status: 200 };
      case 'PUT /v1/agent/service/deregister/':
        this.services.get(name)?.timer.cancel();
        return this.services.delete(name) ? this.changed() : { status: 404 };
      case 'PUT /v1/agent/check/pass/service:':
        return this.pass(name);
      case 'GET /v1/health/service/':
        return this.health(name, query, gone);
      default:
        return { status: 404 };
    }
  }

  private register(registration: Registration): void {
    this.services.get(registration.ID)?.timer.cancel();
    this.services.set(registration.ID, {
      ...registration,
      status: 'passing',
      timer: this.expiry(registration),
    });
    this.changed();
  }

  private pass(id: string): StandInAnswer {
    const service = this.services.get(id);
    if (!service) {
      return { status: 404, body: `Unknown check ID "service:${id}"` };
    }
    service.timer.cancel();
    service.timer = this.expiry(service);
    if (service.status !== 'passing') {
      service.status = 'passing';
      this.changed();
    }
    return { status: 200 };
  }

  private expiry({ ID, Check }: Registration): Timer {
    return this.clock.schedule(Number.parseInt(Check.TTL) * 1_000, () => {
      this.services.get(ID)!.status = 'critical';
      this.changed();
    });
  }

  private async health(name: string, query: URLSearchParams, gone: AbortSignal): Promise<StandInAnswer> {
    if (Number(query.get('index') ?? 0) === this.index) {
      const waited = Number.parseInt(query.get('wait') ?? '300s') * 1_000;
      const over = new AbortController();
      const timer = this.clock.schedule(waited, () => over.abort());
      await awakened(this.waiting, AbortSignal.any([gone, over.signal]));
      timer.cancel();
    }
    const entries = [...this.services.values()]
      .filter((service) => service.Name === name)
      .map(({ Address, Port, Meta, status }) => ({
        Node: { Node: 'agent', Address: '127.0.0.1' },
        Service: { Service: name, Address, Port, Meta },
        Checks: [{ CheckID: 'serfHealth', Status: 'passing' }, { Status: status }],
      }));
    return { status: 200, headers: { 'x-consul-index': String(this.index) }, body: entries };
  }

  private changed(): StandInAnswer {
    this.index++;
    this.waiting.forEach((wake) => wake());
    return { status: 200 };
  }
}
