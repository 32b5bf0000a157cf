/** What a plugin tells about itself. */
export interface KmsStatus {
  /** 'v2'. */
  version: string;
  /** 'ok', or why it is not well. */
  healthz: string;
  /** Of the key that it encrypts with now; another one means that the key was rotated. */
  keyId: string;
}

export interface KmsSealed {
  ciphertext: Buffer;
  keyId: string;
  annotations: ReadonlyMap<string, Buffer>;
}

/** A key management service: it encrypts keys of ours with one that never leaves it. Mirrors k8s.io/kms apis/v2. */
export interface KmsService {
  status(): Promise<KmsStatus>;
  encrypt(plaintext: Buffer): Promise<KmsSealed>;
  decrypt(sealed: KmsSealed): Promise<Buffer>;
  close(): void;
}
