/** What `DkvModule.forFeature` takes for a namespace: each option, its default, what is allowed. */
import { IsIn, IsOptional, ValidateBy } from 'class-validator';
import { TTL_MS_MAX } from './client/call-arguments.js';
import { DkvError } from './dkv.errors.js';
import { wrongForMode } from './dkv.option-conflicts.js';
import { type DkvOptions } from './dkv.options.js';
import { Accepts, faultsOf, Offers, says, Whole } from './dkv.option-decorators.js';
import {
  NAMESPACE_MODES,
  type NamespaceMode,
  READ_LEVELS,
  type ReadLevel,
  WRITE_LEVELS,
  type WriteLevel,
} from './model/consistency.js';
import { type Codec } from './ports/codec.js';
import { type Merger } from './ports/merger.js';
import { isNamespace } from './transport/messages/name-rules.js';

export const DEFAULT_NAMESPACE = 'default';
/** Names that begin so are the store's own. */
export const RESERVED_PREFIX = 'dkv.';

const NAME_RULE =
  'give 1 to 64 bytes of UTF-8 without NUL, not "default" (that one is of forRoot), nor a name that begins with "dkv."';

export class DkvNamespaceOptions {
  /** What `@InjectDkv(name)` says; the same on every node. */
  @ValidateBy({ name: 'name', validator: { validate: isFreeName } }, says(NAME_RULE))
  name!: string;

  /** As in `forRoot`; fixed with the first start. Default: `strong`. */
  @IsOptional()
  @IsIn(NAMESPACE_MODES, says(`give one of ${NAMESPACE_MODES.join(', ')}`))
  mode?: NamespaceMode;

  /**
   * Copies besides the holder's. Counts when the cluster hears of the namespace first; it then has partitions of its own for that
   * number. Default: as many as the cluster has, also when that changes.
   */
  @Whole(0, 15, 'copies')
  replicas?: number;

  /** Lifetime of values whose write names none. Default: 0, for ever. */
  @Whole(0, TTL_MS_MAX, 'milliseconds')
  ttlMs?: number;

  /** How values become bytes; fixed with the first start. Default: that of `forRoot`. */
  @Offers('Codec', 'encode', 'decode')
  codec?: Codec;

  /** Resolves conflicts where the mode is eventual. Default: the newest version wins. */
  @Offers('Merger', 'merge')
  merger?: Merger;

  /**
   * A class of class-validator rules that every value must fulfil before it is written; what is stored is the value as
   * given. Reads give plain values, not instances. Only synchronous rules count.
   */
  @Accepts('validate', (value) => typeof value === 'function', 'give a class with rules of class-validator')
  validate?: new () => object;

  /** Default: that of `forRoot`. */
  @IsOptional()
  @IsIn(READ_LEVELS, says(`give one of ${READ_LEVELS.join(', ')}`))
  readConsistency?: ReadLevel;

  /** Of eventual namespaces. Default: that of `forRoot`. */
  @IsOptional()
  @IsIn(WRITE_LEVELS, says(`give one of ${WRITE_LEVELS.join(', ')}`))
  writeConsistency?: WriteLevel;
}

/** A namespace with every default filled in. */
export type NamespaceOptions = Readonly<
  Required<Omit<DkvNamespaceOptions, 'merger' | 'validate' | 'codec' | 'replicas'>> &
    Pick<DkvNamespaceOptions, 'merger' | 'validate' | 'codec' | 'replicas'>
>;

/** @throws DkvError `DKV_INVALID_OPTIONS` naming the namespace, each wrong option, its value and the remedy. */
export function resolveNamespace(given: DkvNamespaceOptions, root: DkvOptions): NamespaceOptions {
  const { mode = 'strong' } = given;
  const faults = [
    ...faultsOf(DkvNamespaceOptions, given, 'an option of a namespace'),
    ...wrongForMode({ ...given, mode }),
  ];
  if (faults.length > 0) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Options of namespace ${JSON.stringify(given.name)}:\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
    );
  }
  const read =
    mode === 'eventual' && root.readConsistency === 'linearizable' ? 'quorum' : root.readConsistency;
  const write = mode === 'strong' ? 'quorum' : root.writeConsistency;
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  return Object.freeze({
    readConsistency: read,
    writeConsistency: write,
    ttlMs: 0,
    ...set,
    name: given.name,
    mode,
  });
}

function isFreeName(name: unknown): boolean {
  return isNamespace(name) && name !== DEFAULT_NAMESPACE && !name.startsWith(RESERVED_PREFIX);
}
