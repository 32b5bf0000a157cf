import { CERTIFICATESIGNINGREQUESTS } from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { parseCertificateRequest } from '../../pki/parse.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import type { UserInfo } from '../request-context.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { isOn, objectOf, oldObjectOf, refuse } from './review.ts';

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';

/** By the signer's own name, or for a whole domain: `example.com/*`. Mirrors pkg/registry/certificates/certificates authorization helpers. */
async function mayUseSigner(
  authorizer: Authorizer,
  user: UserInfo,
  verb: 'approve' | 'sign',
  signer: string,
): Promise<boolean> {
  const domain = signer.slice(0, signer.indexOf('/'));
  for (const name of [signer, `${domain}/*`]) {
    const answer = await authorizer.authorize({
      user,
      verb,
      isResourceRequest: true,
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
      path: '',
    });
    if (answer.decision === 'allow') return true;
  }
  return false;
}

/** Approving takes the right to `approve` for the signer. Mirrors plugin/pkg/admission/certificates/approval/admission.go. */
export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: (attributes) =>
      attributes.operation === 'UPDATE' && isOn(attributes, CERTIFICATESIGNINGREQUESTS, 'approval'),
    async validate(attributes) {
      const signer = oldObjectOf<CertificateSigningRequest>(attributes).spec.signerName ?? '';
      if (await mayUseSigner(authorizer, attributes.context.user, 'approve', signer)) return;
      const why = `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`;
      throw refuse(attributes, why);
    },
  };
}

/** Issuing takes the right to `sign`. Mirrors plugin/pkg/admission/certificates/signing/admission.go. */
export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (attributes) =>
      attributes.operation === 'UPDATE' && isOn(attributes, CERTIFICATESIGNINGREQUESTS, 'status'),
    async validate(attributes) {
      const old = oldObjectOf<CertificateSigningRequest>(attributes);
      const now = objectOf<CertificateSigningRequest>(attributes);
      const unchanged =
        now.status?.certificate === old.status?.certificate &&
        sameJson(now.status?.conditions, old.status?.conditions);
      if (unchanged) return;
      const signer = old.spec.signerName ?? '';
      if (await mayUseSigner(authorizer, attributes.context.user, 'sign', signer)) return;
      const why = `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`;
      throw refuse(attributes, why);
    },
  };
}

/** Nobody asks for a certificate of system:masters. Mirrors plugin/pkg/admission/certificates/subjectrestriction/admission.go. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, CERTIFICATESIGNINGREQUESTS),
  validate(attributes) {
    const csr = objectOf<CertificateSigningRequest>(attributes);
    if (csr.spec?.signerName !== CLIENT_SIGNER) return;
    let organizations: string[];
    try {
      const pem = Buffer.from(csr.spec.request ?? '', 'base64').toString('utf8');
      ({ organizations = [] } = parseCertificateRequest(pem));
    } catch (error) {
      throw refuse(attributes, `failed to parse CSR: ${messageOf(error)}`);
    }
    if (organizations.includes('system:masters')) {
      throw refuse(attributes, `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`);
    }
  },
};
