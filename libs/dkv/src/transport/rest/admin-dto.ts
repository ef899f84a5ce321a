/** What operators may send to the routes below `/admin`. */
import { IsString, Matches } from 'class-validator';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { IsCount } from './field-rules.js';
import { NamespaceQuery } from './kv-dto.js';

/** Of routes that take none: a field that somebody hopes to be looked at is refused. */
export class NoQuery {}

export class ExplainQuery extends NamespaceQuery {
  /** Checked by the route, for its own code. */
  @IsString() key!: string;
}

export class TransferBody {
  /** As the reports of partitions number them. */
  @IsCount() group!: number;
  @Matches(NODE_ID_PATTERN, { message: '$property must be a node id' }) nodeId!: string;
}
