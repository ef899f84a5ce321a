/** Keys in paths, as the API documentation shows them. */

export const KEY = {
  name: 'key',
  description: '1 to 1024 bytes of UTF-8, percent-encoded (`/` as `%2F`).',
  example: 'greeting',
};
