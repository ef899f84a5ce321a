/** A call on many keys: each on its own, a few at once, every outcome told. */
import { DkvError, isDkvError } from '../dkv.errors.js';

/** Keys of one call on many that are under way at once. */
const MANY_AT_ONCE = 64;

/** The outcomes of a call on many keys of which some failed; `code` is the gravest of theirs. */
export class DkvManyError<T = unknown> extends DkvError {
  constructor(
    code: DkvError['code'],
    message: string,
    /** One per key, in the order of the call. */
    readonly outcomes: readonly PromiseSettledResult<T>[],
  ) {
    super(code, message, {
      cause: outcomes
        .filter((outcome) => outcome.status === 'rejected')
        .map(({ reason }) => reason as unknown)
        .find((reason) => isDkvError(reason, code)),
    });
  }
}

/** @throws DkvManyError when one fails; what is no error of the store is thrown as it is. */
export async function many<I, T>(
  items: readonly I[],
  options: object | undefined,
  one: (item: I) => Promise<T>,
): Promise<T[]> {
  assertOneRequestEach(options);
  const outcomes = await settleAll(items, one);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failures.length > 0) {
    throw manyError(outcomes, failures);
  }
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<T>).value);
}

/** The outcome of each, in order. */
export async function settleAll<I, T>(
  items: readonly I[],
  one: (item: I) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const outcomes = new Array<PromiseSettledResult<T>>(items.length);
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) {
      [outcomes[index]] = await Promise.allSettled([one(item)]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MANY_AT_ONCE, items.length) }, worker));
  return outcomes;
}

/** Under one name, the second write of a key that is there twice would be taken for a repetition and dropped. */
function assertOneRequestEach(options: object | undefined): void {
  if (options && 'idempotencyKey' in options && options.idempotencyKey !== undefined) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      'idempotencyKey is given for many keys: it names one write. Make one call per key.',
    );
  }
}

function manyError<T>(
  outcomes: readonly PromiseSettledResult<T>[],
  failures: readonly PromiseRejectedResult[],
): Error {
  const reasons = failures.map(({ reason }) => reason as unknown);
  const foreign = reasons.find((reason) => !isDkvError(reason));
  if (foreign instanceof Error) {
    return foreign;
  }
  const errors = reasons as DkvError[];
  const gravest = errors.find(({ code }) => code === 'DKV_INDETERMINATE') ?? errors[0]!;
  return new DkvManyError(
    gravest.code,
    `${failures.length} of ${outcomes.length} keys failed; one of them: ${gravest.message}`,
    outcomes,
  );
}
