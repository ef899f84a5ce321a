/** The sequential specification of one key: what each operation does to it, and may have returned. */
import { type Version } from '../../../src/model/version.js';
import { type HistoryOperation } from '../history.js';

/** What the key holds. A write of unknown outcome leaves a value whose version nobody was told. */
export interface RegisterState {
  readonly value: string | undefined;
  readonly version: Version | undefined;
  /** It may be gone at any moment: whether too early is another checker's question. */
  readonly expires?: boolean;
}

export const EMPTY_REGISTER: RegisterState = { value: undefined, version: undefined };

/** Equal texts, equal states. */
export function registerKey({ value, version, expires }: RegisterState): string {
  return value === undefined ? '-' : `${version ?? '?'}=${value}${expires ? '~' : ''}`;
}

/**
 * The state after `operation`, or undefined when it cannot take effect in `state` with the outcome it had. An
 * operation of unknown outcome need not take effect, so where it would be without one it cannot either.
 */
export function applyToRegister(
  state: RegisterState,
  operation: HistoryOperation,
): RegisterState | undefined {
  const { action, outcome } = operation;
  const told = outcome.kind === 'ok' ? outcome : undefined;
  if (state.expires && told && showsNothing(operation)) {
    return applyToRegister(EMPTY_REGISTER, operation);
  }
  if (told?.existed !== undefined && told.existed !== (state.value !== undefined)) {
    return undefined;
  }
  switch (action.kind) {
    case 'read':
      return readFrom(state, told?.value, told?.version);
    case 'write':
      return { value: action.value, version: told?.version, expires: (action.ttlMs ?? 0) > 0 };
    case 'touch':
      return state.value === undefined
        ? told?.version === undefined
          ? state
          : undefined
        : { value: state.value, version: told?.version, expires: action.ttlMs > 0 };
    case 'delete':
      return EMPTY_REGISTER;
    case 'compareAndSet':
      return compareAndSet(state, action.expected, outcome.kind === 'mismatch', {
        value: action.value,
        version: told?.version,
      });
    case 'increment': {
      const sum = Number(state.value ?? '0') + action.by;
      const value = String(sum);
      const possible = Number.isFinite(sum) && (told?.value === undefined || told.value === value);
      return possible ? { value, version: told?.version } : undefined;
    }
  }
}

/** What was told of the operation says that there was no value. */
function showsNothing({ action, outcome }: HistoryOperation): boolean {
  if (outcome.kind !== 'ok') {
    return false;
  }
  switch (action.kind) {
    case 'read':
      return outcome.value === undefined;
    case 'touch':
      return outcome.version === undefined;
    default:
      return outcome.existed === false;
  }
}

/** A version that nobody had been told is known once a read shows it, and stays that value's version. */
function readFrom(
  state: RegisterState,
  value: string | undefined,
  version: Version | undefined,
): RegisterState | undefined {
  if (state.value !== value) {
    return undefined;
  }
  if (version === undefined || value === undefined || state.version === version) {
    return state;
  }
  return state.version === undefined ? { ...state, version } : undefined;
}

function compareAndSet(
  state: RegisterState,
  expected: Version | null,
  mismatched: boolean,
  next: RegisterState,
): RegisterState | undefined {
  const certain = state.value === undefined || state.version !== undefined;
  const matches =
    expected === null ? state.value === undefined : state.value !== undefined && state.version === expected;
  // A value of unknown version may be the expected one, or not: what was told decides.
  const open = expected !== null && !certain;
  if (mismatched) {
    return matches ? undefined : state;
  }
  return matches || open ? next : undefined;
}
