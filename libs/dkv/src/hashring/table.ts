/** Makes the ring's table: from a set of nodes alone, or from the table before and the new set. */
import { type RingNode } from '../model/node.js';
import { levelCopies } from './copy-levelling.js';
import { Placement } from './placement.js';
import { seedOf } from './pseudo-random.js';
import { roundZonesNear, zonedShares } from './quotas.js';
import { levelRanks } from './rank-levelling.js';
import { drawLists } from './rendezvous.js';

/** Preference lists: the index in `nodes` of the node at `partition * copies + rank`. */
export interface RingTable {
  /** Sorted by id. */
  readonly nodes: readonly RingNode[];
  readonly partitions: number;
  /** Length of every list. */
  readonly copies: number;
  readonly slots: Int32Array;
}

/** What follows from the nodes alone. */
interface Plan {
  readonly nodes: readonly RingNode[];
  readonly partitions: number;
  readonly copies: number;
  readonly weights: readonly number[];
  readonly seeds: readonly number[];
  /** Nodes of one zone together; a node of unknown zone is a zone of its own. */
  readonly zones: readonly (readonly number[])[];
  /** Copies that each node should hold, not yet whole. */
  readonly shares: readonly number[];
}

/** @param nodes sorted by id */
export function tableOf(nodes: readonly RingNode[], partitions: number, replicas: number): RingTable {
  const plan = planFor(nodes, partitions, replicas);
  const slots = firstGuess(plan);
  return levelled(plan, slots, slots.slice(), true);
}

/**
 * @param previous the lists so far, of any length and of any nodes
 * @param nodes sorted by id
 */
export function tableAfter(
  previous: readonly (readonly string[])[],
  nodes: readonly RingNode[],
  replicas: number,
): RingTable {
  const plan = planFor(nodes, previous.length, replicas);
  const { partitions, copies } = plan;
  // From nodes.length on: nodes that left, then vacancies in lists that become longer. They only give.
  const numberOf = new Map(nodes.map(({ nodeId }, index) => [nodeId, index]));
  for (const nodeId of previous.flat()) {
    if (!numberOf.has(nodeId)) {
      numberOf.set(nodeId, numberOf.size);
    }
  }
  const next = numberOf.size;
  const slots = new Int32Array(partitions * copies);
  const before = new Int32Array(partitions * copies);
  for (let partition = 0; partition < partitions; partition++) {
    const list = previous[partition]!.map((nodeId) => numberOf.get(nodeId)!);
    for (let rank = list.length; rank < copies; rank++) {
      list.push(next + rank);
    }
    before.set(list.slice(0, copies), partition * copies);
    while (list.length > copies) {
      // Who has left goes first; where fewer copies are asked for, the last of the list.
      list.splice(
        list.findLastIndex((node) => node >= nodes.length),
        1,
      );
    }
    slots.set(list, partition * copies);
  }
  return levelled(plan, slots, before, false);
}

function planFor(nodes: readonly RingNode[], partitions: number, replicas: number): Plan {
  const copies = Math.min(replicas + 1, nodes.length);
  const weights = nodes.map(({ weight }) => weight);
  const seeds = nodes.map(({ nodeId }) => seedOf(nodeId));
  const byZone = new Map<string, number[]>();
  for (const [index, { nodeId, zone }] of nodes.entries()) {
    const name = zone === '' ? `node ${nodeId}` : `zone ${zone}`;
    byZone.set(name, [...(byZone.get(name) ?? []), index]);
  }
  const zones = [...byZone.values()];
  return {
    nodes,
    partitions,
    copies,
    weights,
    seeds,
    zones,
    shares: zonedShares(weights, zones, partitions, copies),
  };
}

function firstGuess({ nodes, partitions, copies, weights, seeds, zones, shares }: Plan): Int32Array {
  const drawnZones = zones.map((zone) => {
    const total = zone.reduce((sum, node) => sum + shares[node]!, 0);
    const always = Math.floor(total / partitions);
    const { nodeId, zone: name } = nodes[zone[0]!]!;
    const candidatesFor = (wanted: number) =>
      zone.map((node) => ({
        node,
        seed: seeds[node]!,
        chance: Math.min(1, (wanted * shares[node]!) / total),
        copiesPerWeight: shares[node]! / weights[node]!,
      }));
    return {
      seed: seedOf(name === '' ? nodeId : `zone ${name}`),
      always,
      chance: total / partitions - always,
      nodes: [candidatesFor(always), candidatesFor(always + 1)] as const,
    };
  });
  return drawLists(drawnZones, partitions, copies);
}

function levelled(plan: Plan, slots: Int32Array, before: Int32Array, fresh: boolean): RingTable {
  const { nodes, partitions, copies, zones, shares } = plan;
  const numbers =
    Math.max(
      nodes.length - 1,
      slots.reduce((highest, node) => Math.max(highest, node), 0),
    ) + 1;
  const zoneOf = Array.from({ length: numbers }, (_, node) => zones.length + node);
  zones.forEach((zone, index) => zone.forEach((node) => (zoneOf[node] = index)));
  const placement = new Placement({ partitions, copies, zoneOf }, slots, before);
  const loads = placement.held.map(({ size }) => size);
  const quotas = roundZonesNear(shares, zones, partitions * copies, loads);
  levelCopies(placement, { ...plan, quotas, fresh });
  levelRanks(placement, plan);
  return { nodes, partitions, copies, slots };
}
