/** Types of the script for the specs that use it. */
export function metricsPage(sections: object): Promise<string>;
