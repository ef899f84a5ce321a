/** Types of the script for the specs that use it. */
export interface ChartValue {
  readonly name: string;
  readonly text: string;
  readonly allowed: string;
  readonly given: unknown;
}

export function chartReadme(schema: object): Promise<string>;

export function valuesOf(schema: object): ChartValue[];
