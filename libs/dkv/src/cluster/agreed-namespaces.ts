/** What a namespace is to all nodes alike, and how two of them differ in it. */
import { DkvError } from '../dkv.errors.js';
import { type AgreedNamespace, type ClusterConfiguration, CONFIGURATION_GROUP } from '../model/membership.js';

/** Namespaces of a cluster, those that nobody declares any more and the library's own included. */
export const NAMESPACES_MAX = 256;

/** What another node can compare, and a configuration keeps. */
export function agreedOf({
  name,
  mode,
  placement,
  codec,
  merger,
}: Pick<AgreedNamespace, 'name' | 'mode' | 'placement'> & {
  readonly codec: { readonly name: string };
  readonly merger: { readonly name: string };
}): AgreedNamespace {
  return { name, mode, placement, codec: codec.name, merger: merger.name };
}

/** The class of a namespace; `asked` before it is agreed on. */
export function placementIn(
  { namespaces }: Pick<ClusterConfiguration, 'namespaces'>,
  name: string,
  asked: number,
): number {
  return namespaces.find((known) => known.name === name)?.placement ?? asked;
}

/**
 * The error of a node that declares a namespace otherwise than the cluster has it; undefined where it does not. The number of
 * copies is none of it: that of the configuration counts. Mergers without a name cannot be told apart.
 */
export function unlikeNamespace(
  agreed: AgreedNamespace,
  declared: AgreedNamespace,
  clusterId: string,
  selfId: string,
): DkvError | undefined {
  const properties = (['mode', 'codec', 'merger'] as const).filter(
    (property) =>
      agreed[property] !== declared[property] && agreed[property] !== '' && declared[property] !== '',
  );
  const [property] = properties;
  return (
    property &&
    new DkvError(
      'DKV_CONFIGURATION_MISMATCH',
      `Namespace ${JSON.stringify(declared.name)} has ${property} ${JSON.stringify(declared[property])} on node ${selfId}, and ` +
        `${JSON.stringify(agreed[property])} in cluster ${clusterId}, where it stays so. Declare it on every node as the cluster ` +
        'has it, or take another name for it.',
    )
  );
}

/**
 * Why a namespace cannot be added; undefined where it can.
 * @param count of the namespaces that there are
 */
export function noRoomFor(
  { name, placement }: Pick<AgreedNamespace, 'name' | 'placement'>,
  count: number,
  partitions: number,
): DkvError | undefined {
  if (count >= NAMESPACES_MAX) {
    return new DkvError(
      'DKV_INVALID_OPTIONS',
      `Namespace ${JSON.stringify(name)} is not added: the cluster has ${NAMESPACES_MAX} namespaces, which is the most, and those ` +
        'that are not declared any more count. Put its keys into one of these, under a prefix.',
    );
  }
  // All numbers of its partitions are below that of the last group.
  const placements = Math.floor(CONFIGURATION_GROUP / partitions);
  return placement < placements
    ? undefined
    : new DkvError(
        'DKV_INVALID_OPTIONS',
        `Namespace ${JSON.stringify(name)} asks for ${placement - 1} replicas: with ${partitions} partitions ` +
          (placements > 1
            ? `a namespace may ask for at most ${placements - 2}`
            : 'none may ask for a number of them') +
          '. Leave its replicas out, so that it has as many as the cluster.',
      );
}
