/** Types of the script for the specs that use it. */
export const CHART_TOOLS_FOLDER: string;
export const HELM: string;

export function installChartTools(): Promise<string[]>;
