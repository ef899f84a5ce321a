/** What people and scripts may send to the REST routes. */
import { IsIn, IsOptional, IsString, Length, ValidateBy } from 'class-validator';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from '../../client/call-arguments.js';
import { READ_LEVELS, type ReadLevel, WRITE_LEVELS, type WriteLevel } from '../../model/consistency.js';
import { isVersion } from '../../model/version.js';
import { IsBase64Bytes, IsCount, IsNamespace } from './field-rules.js';
import { isStrongVersion } from '../../model/strong-version.js';

const DEFAULT_NAMESPACE = 'default';
/** What `ifVersion` says where no value is expected. */
export const ABSENT = 'absent';

const IsExpectation = () =>
  ValidateBy({
    name: 'isExpectation',
    validator: {
      validate: (value) => value === ABSENT || isStrongVersion(value) || isVersion(value),
      defaultMessage: () => `$property must be a version as it was read, or "${ABSENT}"`,
    },
  });

const IsIdempotencyKey = () => Length(1, IDEMPOTENCY_KEY_LENGTH_MAX);

export class NamespaceQuery {
  @IsNamespace() namespace = DEFAULT_NAMESPACE;
}

export class ReadQuery extends NamespaceQuery {
  /** `true` leaves the value out of the answer. */
  @IsOptional() @IsIn(['true', 'false']) 'no-value'?: 'true' | 'false';
  @IsOptional() @IsIn(READ_LEVELS) consistency?: ReadLevel;
}

export class WriteQuery extends NamespaceQuery {}

export class RemoveQuery extends NamespaceQuery {
  @IsOptional() @IsIn(WRITE_LEVELS) consistency?: WriteLevel;
  @IsOptional() @IsExpectation() ifVersion?: string;
  /** Names the request: however often it is sent, to whichever node, it takes effect once. Strong namespaces only. */
  @IsOptional() @IsIdempotencyKey() idempotencyKey?: string;
}

export class WriteBody {
  /** Checked by the route, for its own code. */
  @IsString() key!: string;
  /** Base64; the empty string is an empty value. */
  @IsBase64Bytes() value!: string;
  /**
   * Accepted, so that a pair that was read can be written as it is, and ignored: versions are stamped by the
   * node that coordinates the write, never by who asks for it.
   */
  @IsOptional() modified?: unknown;
  /** Milliseconds from the write on after which the value is gone; 0 is for ever; absent: as the namespace says. */
  @IsOptional() @IsCount() ttlMs?: number;
  @IsOptional() @IsIn(WRITE_LEVELS) consistency?: WriteLevel;
  /** The version that the key must have, or `absent`. */
  @IsOptional() @IsExpectation() ifVersion?: string;
  /** Names the request: however often it is sent, to whichever node, it takes effect once. Strong namespaces only. */
  @IsOptional() @IsIdempotencyKey() idempotencyKey?: string;
}
