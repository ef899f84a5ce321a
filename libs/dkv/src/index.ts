/** The public API, every export by name. */
export { DkvError, DKV_ERROR_STATUS, type DkvErrorCode, isDkvError } from './dkv.errors.js';
