/** The options that say who is let in at the peer port: keys and certificates. A part of the module's options. */
import { IsBoolean, IsOptional, ValidateBy } from 'class-validator';
import { DkvMembershipOptions } from './dkv.membership-options.js';
import { Hides, isApiKey, says, Secret, SECRET_RULE } from './dkv.option-decorators.js';
import { type DkvTls, isTls, TLS_FORMS } from './dkv.tls-options.js';
import { type ApiKey } from './transport/http/port-keys.js';

export class DkvAccessOptions extends DkvMembershipOptions {
  /**
   * Secret that peers and REST callers present; needed as soon as there is a discovery. At least 8 characters. Two while it is
   * changed: the first is sent to peers, both are accepted.
   */
  @Hides('apiKey', isApiKey, `${SECRET_RULE}, or two such, the first of which is sent`)
  apiKey?: ApiKey;

  /**
   * Lets nodes do without an `apiKey`: whoever reaches the peer port is a node then, and reads and writes every key. For networks
   * where others see to that. Default: false.
   */
  @IsOptional()
  @IsBoolean(says('give true or false'))
  insecure?: boolean;

  /**
   * Secret that operators present, in the header `X-Admin-Key`: opens the routes below `/admin` and `/kv` of the peer port, also
   * that of a node that is alone, which listens nowhere without it. At least 8 characters, and another one than `apiKey`.
   * Default: nobody is served below `/admin`.
   */
  @Secret()
  adminKey?: string;

  /**
   * Encrypts everything on the peer port, TLS 1.3: both ends of a connection, peers and REST callers, must show a
   * certificate of `ca`, valid at the time; which node it is for is looked at only with `bindNodeId: true`, and host names never,
   * so `ca` is one for these nodes alone. `{ key, cert, ca }` in PEM, a function that returns these and is asked at each new
   * connection, or the paths `{ keyFile, certFile, caFile }`, which are read again when they change: no restart is
   * needed, and connections that are open stay. The same for every node. Default: nothing is encrypted.
   */
  @IsOptional()
  @ValidateBy(
    { name: 'tls', validator: { validate: isTls } },
    { message: `tls: ${TLS_FORMS} (the value is not shown here)` },
  )
  tls?: DkvTls;
}

export const ACCESS_DEFAULTS = {
  apiKey: '',
  insecure: false,
  adminKey: '',
} as const satisfies DkvAccessOptions;
