/** Names of zones, as options, operators and scripts give them. */

export const ZONE_LENGTH_MAX = 100;
export const PREFERRED_ZONES_MAX = 16;
export const PREFERRED_ZONES_RULE = `up to ${PREFERRED_ZONES_MAX} different zones, each of 1 to ${ZONE_LENGTH_MAX} characters`;

/** Whether these may be the zones that are preferred. */
export function areZones(value: unknown): value is readonly string[] {
  const isZone = (zone: unknown) =>
    typeof zone === 'string' && zone.length >= 1 && zone.length <= ZONE_LENGTH_MAX;
  return (
    Array.isArray(value) &&
    value.length <= PREFERRED_ZONES_MAX &&
    value.every(isZone) &&
    new Set(value).size === value.length
  );
}
