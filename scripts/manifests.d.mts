/** Types of the script for the specs that use it. */
export const MANIFESTS: string;

export function renderManifests(helm: string): string;
