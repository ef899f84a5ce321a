/** Operations of clients: sent to a node, understood, recorded; a repeated request is one operation. */
import { isDkvErrorCode } from '../../libs/dkv/src/dkv.errors.js';
import {
  type HistoryAction,
  type HistoryOutcome,
  outcomeOfError,
} from '../../libs/dkv/testing/simulation/history.js';
import { type AnswerBody, type Reply } from './http-caller.js';
import { type Recorder } from './recorder.js';

/** A node as clients see it. */
export interface Target {
  /** Which process run of which node: changes at every start. */
  readonly incarnation: string;
  send(method: string, path: string, parts?: object): Promise<Reply>;
}

export interface Demand {
  readonly client: string;
  readonly key: string;
  readonly action: HistoryAction;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** What an answer of status 200 or 201 tells. */
  understand(body: AnswerBody): HistoryOutcome;
  /** Names the request, so that it can be repeated at `again` when its outcome is unknown. */
  readonly requestId?: string;
  readonly again?: Target;
}

export interface Told {
  readonly outcome: HistoryOutcome;
  /** Whether the node is worth another question. */
  readonly healthy: boolean;
  /** The body of the last answer. */
  readonly body: AnswerBody;
}

/** A repeated request is answered with what stands now, which later writes may have made: it took effect, no more. */
const DONE_BEFORE: HistoryOutcome = { kind: 'ok' };
const SAMPLES_MAX = 20;
const BUSY_OR_AWAY = new Set(['DKV_QUORUM_NOT_REACHED', 'DKV_NOT_READY', 'DKV_READ_ONLY', 'DKV_OVERLOADED']);

export class ClientDesk {
  /** Answers that no fault explains, as text: a request that the demo does not understand, an internal error. */
  readonly unexpected: string[] = [];
  repeated = 0;

  constructor(readonly recorder: Recorder) {}

  async perform(target: Target, demand: Demand): Promise<Told> {
    const { client, key, action } = demand;
    const end = this.recorder.begin({ client, key, action, incarnation: target.incarnation });
    let told = await this.once(target, demand);
    let { incarnation } = target;
    if (told.outcome.kind === 'indeterminate' && demand.requestId !== undefined && demand.again) {
      this.repeated++;
      // Neither node alone has to show it as a write of its own.
      incarnation = `${incarnation} then ${demand.again.incarnation}`;
      const second = await this.once(demand.again, demand);
      // Only a success says something about both: any refusal is of the second request alone.
      const outcome = second.outcome.kind === 'ok' ? DONE_BEFORE : told.outcome;
      told = { ...told, outcome, body: second.body };
    }
    end(told.outcome, incarnation);
    return told;
  }

  noteUnexpected(method: string, path: string, status: number, body: AnswerBody): void {
    if (this.unexpected.length < SAMPLES_MAX) {
      this.unexpected.push(`${method} ${path} → ${status} ${JSON.stringify(body)}`);
    }
  }

  private async once(target: Target, demand: Demand): Promise<Told> {
    const { method, path, body, requestId } = demand;
    const headers = requestId === undefined ? undefined : { 'idempotency-key': requestId };
    const reply = await target.send(method, path, { body, headers });
    if (reply.kind !== 'answer') {
      const outcome = reply.kind === 'refused' ? refusalOf(demand.action) : breakOf(demand.action);
      return { outcome, healthy: false, body: {} };
    }
    const { code = '' } = reply.body;
    return {
      outcome: this.understood(reply.status, reply.body, demand),
      healthy: reply.status < 500 && !BUSY_OR_AWAY.has(code),
      body: reply.body,
    };
  }

  private understood(status: number, body: AnswerBody, demand: Demand): HistoryOutcome {
    const { action, method, path } = demand;
    if (status === 200 || status === 201) {
      return demand.understand(body);
    }
    if (status === 404 && body.code === 'DKV_KEY_NOT_FOUND' && action.kind === 'read') {
      return { kind: 'ok', value: undefined };
    }
    if (status === 409 && body.code === 'DKV_CONFLICT' && action.kind === 'compareAndSet') {
      return { kind: 'mismatch' };
    }
    if (status < 500 || !isDkvErrorCode(body.code)) {
      this.noteUnexpected(method, path, status, body);
    }
    return isDkvErrorCode(body.code) ? outcomeOfError(body.code, action) : breakOf(action);
  }
}

function refusalOf(action: HistoryAction): HistoryOutcome {
  return { kind: action.kind === 'read' ? 'unread' : 'notApplied' };
}

function breakOf(action: HistoryAction): HistoryOutcome {
  return { kind: action.kind === 'read' ? 'unread' : 'indeterminate' };
}
