/** How the module makes what operators ask. */
import { type FactoryProvider, type Provider } from '@nestjs/common';
import { ClusterView } from '../cluster/cluster-view.js';
import { Namespaces } from '../cluster/namespaces.js';
import { PeerTransitions } from '../cluster/peer-transitions.js';
import { DkvAdmin } from '../dkv.admin.js';
import { type DkvOptions } from '../dkv.options.js';
import { DKV_OPTIONS } from '../dkv.tokens.js';
import { Clock } from '../ports/clock.js';
import { type StrongMode } from '../ports/strong-mode.js';
import { type AdminDoor } from '../processor/membership-administration.js';
import { Processor } from '../processor/processor.js';
import { diskSpaceOf } from '../storage/folder/disk-space.js';
import { NodeStorage } from '../storage/node-storage.js';
import { AdminService } from '../transport/rest/admin-service.js';
import { type PeerTls } from '../transport/tls/peer-tls.js';
import { shownCertificate } from '../transport/tls/shown-certificate.js';
import { PEER_TLS } from './cluster-providers.js';
import { STRONG_MODE } from './strong-providers.js';

export const adminProviders: Provider[] = [
  { provide: DkvAdmin, ...adminOf('API') },
  // The log tells who came by the port from who asked in process.
  { provide: AdminService, ...adminOf('admin port') },
];

function adminOf(door: AdminDoor): Pick<FactoryProvider<DkvAdmin>, 'inject' | 'useFactory'> {
  return {
    inject: [
      Processor,
      ClusterView,
      PeerTransitions,
      Namespaces,
      STRONG_MODE,
      NodeStorage,
      Clock,
      DKV_OPTIONS,
      PEER_TLS,
    ],
    useFactory: (
      processor: Processor,
      view: ClusterView,
      transitions: PeerTransitions,
      namespaces: Namespaces,
      { groups, membership }: StrongMode,
      storage: NodeStorage,
      clock: Clock,
      options: DkvOptions,
      tls: PeerTls | undefined,
    ) =>
      new DkvAdmin({
        processor,
        view,
        transitions,
        namespaces,
        groups,
        membership,
        storage,
        clock,
        options,
        diskSpace: () => diskSpaceOf(options.dataDir),
        certificate: () => tls && shownCertificate(tls),
        door,
      }),
  };
}
