/** What a history tells about the versions of one key: the ground on which the eventual checkers argue. */
import { type Version } from '../../../src/model/version.js';
import { type HistoryOperation } from '../history.js';
import { type Finding } from './finding.js';

export interface EventualOptions {
  /**
   * Also demands that versions follow real time: a write that began after another was acknowledged wins over it.
   * The store promises that only where the second coordinator had seen the first write; clocks that disagree
   * break it across a partition. Default false: versions alone decide.
   */
  readonly realTime?: boolean;
  /** How far a node's clock may be off, for writes that expire. Milliseconds, default 0. */
  readonly clockSkewMs?: number;
}

/** The record that all replicas hold in the end; `value` is undefined in a tombstone. */
export interface ConvergedRecord {
  readonly value: string | undefined;
  readonly version: Version;
}

/** The operations of one key in which a newer version replaces an older one. Values of writes are distinct. */
export class EventualFacts {
  readonly reads: readonly HistoryOperation[];
  /** Writes and deletes that were acknowledged. */
  readonly acknowledged: readonly HistoryOperation[];
  /** All writes by value, those not applied too. */
  private readonly writers = new Map<string, HistoryOperation>();
  /** Deletes that may have happened, and writes that expire. */
  private readonly hiders: readonly HistoryOperation[];
  private readonly versions = new Map<string, Version>();
  private readonly contents = new Map<Version, { content: string; by: readonly HistoryOperation[] }>();
  readonly restamps: Finding[] = [];

  constructor(
    readonly key: string,
    operations: readonly HistoryOperation[],
    private readonly options: EventualOptions,
  ) {
    this.reads = operations.filter(({ action, outcome }) => action.kind === 'read' && outcome.kind === 'ok');
    const changes = operations.filter(({ action }) => action.kind === 'write' || action.kind === 'delete');
    this.acknowledged = changes.filter(({ outcome }) => outcome.kind === 'ok');
    this.hiders = changes.filter(
      ({ action, outcome }) =>
        outcome.kind !== 'notApplied' &&
        (action.kind === 'delete' || (action.kind === 'write' && action.ttlMs !== undefined)),
    );
    for (const change of changes) {
      if (change.action.kind === 'write') {
        this.writers.set(change.action.value, change);
      }
    }
    for (const operation of [...this.acknowledged, ...this.reads]) {
      const { action, outcome } = operation;
      if (outcome.kind === 'ok' && outcome.version !== undefined) {
        const content = action.kind === 'write' ? action.value : outcome.value;
        this.learn(content, outcome.version, [operation]);
      }
    }
  }

  /** Takes in that `content` (undefined: a tombstone) was seen under `version`; a contradiction is a restamp. */
  learn(content: string | undefined, version: Version, by: readonly HistoryOperation[]): void {
    const text = content === undefined ? 'a tombstone' : `value ${JSON.stringify(content)}`;
    const known = this.contents.get(version);
    if (known === undefined) {
      this.contents.set(version, { content: text, by });
    } else if (known.content !== text) {
      this.restamp(`version ${version} was ${known.content} and is ${text}`, [...known.by, ...by]);
    }
    if (content !== undefined) {
      const before = this.versions.get(content);
      if (before !== undefined && before !== version) {
        this.restamp(`${text} had version ${before} and has ${version}`, [
          ...(this.contents.get(before)?.by ?? []),
          ...by,
        ]);
      }
      this.versions.set(content, before ?? version);
    }
  }

  writerOf(value: string): HistoryOperation | undefined {
    return this.writers.get(value);
  }

  /** The version of what `value` was seen under, by anyone. */
  versionOfValue(value: string): Version | undefined {
    return this.versions.get(value);
  }

  /** The version that a write or delete got: told to its client, or to a reader of its value. */
  versionOf({ action, outcome }: HistoryOperation): Version | undefined {
    const told = outcome.kind === 'ok' ? outcome.version : undefined;
    return told ?? (action.kind === 'write' ? this.versions.get(action.value) : undefined);
  }

  /** Why nobody can have seen `value` by `until`; undefined when somebody can. */
  phantom(value: string, until: number): string | undefined {
    const writer = this.writers.get(value);
    if (writer === undefined) {
      return `nobody wrote ${JSON.stringify(value)}`;
    }
    if (writer.outcome.kind === 'notApplied') {
      return `the write of ${JSON.stringify(value)} was not applied`;
    }
    return writer.invoked > until ? `the write of ${JSON.stringify(value)} had not begun` : undefined;
  }

  /** Whether a reader who sees `value` can have taken `change` into account: it is as new, or newer. */
  isAsNew(value: string, change: HistoryOperation): boolean {
    const version = this.versionOf(change);
    const seen = this.versions.get(value);
    if (version !== undefined && seen !== undefined && seen < version) {
      return false;
    }
    const writer = this.writers.get(value);
    return !(this.options.realTime === true && writer !== undefined && writer.returned < change.invoked);
  }

  /** Whether a reader who sees nothing can have taken `change` into account: something as new hides it. */
  isHidden(change: HistoryOperation, until: number, untilMs: number): boolean {
    const version = this.versionOf(change);
    return this.hiders.some((hider) => {
      if (hider.invoked > until || !this.hides(hider, untilMs)) {
        return false;
      }
      const own = this.versionOf(hider);
      if (version !== undefined && own !== undefined && own < version) {
        return false;
      }
      return !(this.options.realTime === true && hider.returned < change.invoked);
    });
  }

  /** Whether a delete may have left a tombstone of `version`. */
  mayHaveDeleted(version: Version): boolean {
    return this.hiders.some((hider) => {
      const own = this.versionOf(hider);
      return hider.action.kind === 'delete' && (own === undefined || own === version);
    });
  }

  private hides({ action, invokedAtMs }: HistoryOperation, untilMs: number): boolean {
    if (action.kind !== 'write') {
      return true;
    }
    return invokedAtMs + (action.ttlMs ?? Infinity) <= untilMs + (this.options.clockSkewMs ?? 0);
  }

  private restamp(message: string, operations: readonly HistoryOperation[]): void {
    this.restamps.push({ rule: 'restamp', key: this.key, message, operations });
  }
}
