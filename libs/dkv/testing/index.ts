/** What users and adapters test with: conformance suites and a simulated cluster. */
export {};
