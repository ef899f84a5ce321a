/** The far end: a process that does what the bench asks, and ends with it. */
import { type Answer, type Question, type Task, type Tasks } from './tasks.js';
import { UsageWindow } from './window.js';

type Handlers = { readonly [T in Task]?: (plan: Tasks[T][0]) => Promise<Tasks[T][1]> };

export interface Service {
  readonly handlers: Handlers;
  readonly close: () => Promise<void>;
  /** When the bench is gone without a word, as after a kill -9: stops what only the bench would have stopped. */
  readonly abandoned?: () => void;
}

/** Starts the service of this process, with the settings that the bench gave it, and serves until it is told to stop. */
export async function serve<Settings>(start: (settings: Settings) => Promise<Service>): Promise<void> {
  // Ctrl-C reaches the whole group of processes; in which order they stop is the bench's to say.
  process.on('SIGINT', () => undefined);
  let service = undefined as Service | undefined;
  const stop = async () => {
    await service?.close();
    process.exit(0);
  };
  process.on('disconnect', () => {
    service?.abandoned?.();
    void stop();
  });
  service = await start(JSON.parse(process.argv[2] ?? '{}') as Settings);
  let window = new UsageWindow();
  const handlers: Handlers = {
    'begin-window': async () => void (window = new UsageWindow()),
    'end-window': async () => window.end(),
    ...service.handlers,
  };
  process.on('message', (question: Question) => {
    void (question.task === 'stop' ? stop() : answer(handlers, question));
  });
  tell({ kind: 'ready' });
}

export function tell(answer: Answer): void {
  process.send?.(answer);
}

async function answer(handlers: Handlers, { id, task, plan }: Exclude<Question, { task: 'stop' }>) {
  try {
    const handler = handlers[task] as ((plan: unknown) => Promise<unknown>) | undefined;
    if (!handler) {
      throw new Error(`This process does not know how to ${task}.`);
    }
    tell({ kind: 'done', id, result: await handler(plan) });
  } catch (error) {
    tell({
      kind: 'failed',
      id,
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}
