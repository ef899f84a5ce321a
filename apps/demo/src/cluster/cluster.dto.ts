/** What `/cluster` tells. */
import { ApiProperty } from '@nestjs/swagger';
import { type NodeState, type PeerTrouble } from 'nestjs-dkv';

export class PartitionsDto {
  @ApiProperty({ description: 'Partitions whose writes this node puts in order.' })
  holder!: number;

  @ApiProperty({ description: 'Partitions of which this node keeps a further copy.' })
  replica!: number;
}

export class NodeDto {
  @ApiProperty({ example: 'node1' })
  nodeId!: string;

  @ApiProperty({ example: '127.0.0.1' })
  host!: string;

  @ApiProperty({ description: 'Its peer port.', example: 7001 })
  port!: number;

  @ApiProperty({ description: 'Share of the data relative to the others.', example: 1 })
  weight!: number;

  @ApiProperty({ description: 'Failure domain; empty: unknown.', example: '' })
  zone!: string;

  @ApiProperty({ enum: ['up', 'suspect', 'down'], description: 'As the answering node sees it.' })
  state!: NodeState;

  @ApiProperty({ description: 'Strong partitions of the answering node in which its vote is missing.' })
  votersMissing!: number;

  @ApiProperty({ description: 'Why; empty: none is.', example: '' })
  reason!: string;
  @ApiProperty({ required: false, description: 'When it came or went last, milliseconds since 1970.' })
  since?: number;

  @ApiProperty({
    required: false,
    type: String,
    description:
      'Why it is not up, or `clock`: unseen, stopped, unreachable, key, certificate, cluster and others.',
  })
  trouble?: PeerTrouble;

  @ApiProperty()
  partitions!: PartitionsDto;
}

export class ClusterDto {
  @ApiProperty({ description: 'The node that answers.', example: 'node1' })
  nodeId!: string;

  @ApiProperty({ type: [NodeDto] })
  nodes!: readonly NodeDto[];
}
