/** Where a discovery service listens and how it is spoken to: rules of the options, and URLs below. */
import { Hides } from '../dkv.option-decorators.js';
import { type HttpQuestion } from './discovery-http.js';

/** What a URL of a service may be, for people. */
export const SERVICE_URL =
  "give 'http://host:port' or 'https://host:port', without user, password, query and fragment";

/** An option that is the URL of a service. Never shown when it is wrong: it may have a password. */
export function ServiceUrl(): PropertyDecorator {
  return Hides('serviceUrl', isServiceUrl, SERVICE_URL);
}

/** An option that is a {@link ServiceTls}. */
export function PemTexts(): PropertyDecorator {
  return Hides('pemTexts', isServiceTls, 'give { ca, cert, key }, texts in PEM');
}

export function isServiceUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) {
    return false;
  }
  const { protocol, username, password, search, hash } = new URL(value);
  return ['http:', 'https:'].includes(protocol) && `${username}${password}${search}${hash}` === '';
}

/** A URL below that of the service. @param path begins with a slash, its parts are encoded */
export function below(service: string, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(service.replace(/\/$/, '') + path);
  url.search = new URLSearchParams(query).toString();
  return url;
}

/** PEM texts with which a service is spoken to by TLS. */
export type ServiceTls = Pick<HttpQuestion, 'ca' | 'cert' | 'key'>;

function isServiceTls(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(
      ([name, pem]) =>
        ['ca', 'cert', 'key'].includes(name) && typeof pem === 'string' && pem.includes('-----BEGIN '),
    )
  );
}
