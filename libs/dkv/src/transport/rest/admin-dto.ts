/** What operators may send to the routes below `/admin`. */
import {
  IsInt,
  IsNumber,
  IsPositive,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { REPLICAS_MAX } from '../../hashring/ring-options.js';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { areZones, PREFERRED_ZONES_RULE, ZONE_LENGTH_MAX } from '../../model/zones.js';
import { IsCount, IsNamespace, IsPrintable } from './field-rules.js';
import { NamespaceQuery } from './kv-dto.js';

const IsNodeId = () => Matches(NODE_ID_PATTERN, { message: '$property must be a node id' });

/** Of routes that take none: a field that somebody hopes to be looked at is refused. */
export class NoQuery {}

export class ExplainQuery extends NamespaceQuery {
  /** Checked by the route, for its own code. */
  @IsString() key!: string;
}

export class TransferBody {
  /** As the reports of partitions number them. */
  @IsCount() group!: number;
  @IsNodeId() nodeId!: string;
}

/** Of a change of the members. */
export class NodeBody {
  @IsNodeId() nodeId!: string;
}

export class DecommissionBody {
  /** Without it, of the node that is asked. Null is refused: a script that knows no name would take that node away. */
  @ValidateIf((_body, nodeId) => nodeId !== undefined) @IsNodeId() nodeId?: string;
}

export class ReplaceBody extends NodeBody {
  @IsNodeId() byNodeId!: string;
}

export class ReplicasBody {
  @IsInt() @Min(0) @Max(REPLICAS_MAX) replicas!: number;
  /** Without it, of the cluster. Null is refused: a script that knows no name would change that. */
  @ValidateIf((_body, namespace) => namespace !== undefined) @IsNamespace() namespace?: string;
}

export class WeightBody extends NodeBody {
  @IsNumber({ allowNaN: false, allowInfinity: false }) @IsPositive() weight!: number;
}

export class ZonesBody {
  @ValidateBy({
    name: 'zones',
    validator: { validate: areZones, defaultMessage: () => `zones must be ${PREFERRED_ZONES_RULE}` },
  })
  zones!: readonly string[];
}

export class ZoneBody extends NodeBody {
  @IsString() @MaxLength(ZONE_LENGTH_MAX) @IsPrintable() zone!: string;
}
