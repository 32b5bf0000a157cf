import type { AuthConfig, Image } from './runtime.ts';

/** The fake runtime's images, and its record of calls. */
export class FakeImages {
  /** 'runPodSandbox web', 'createContainer app', 'startContainer app', … in order. */
  readonly calls: string[] = [];
  readonly images = new Map<string, Image>();
  /** Throws to refuse a call, by name: 'pullImage', 'createContainer', 'runPodSandbox' … */
  onCall: (name: string, detail: string) => void = () => undefined;

  addImage(name: string, fields: Partial<Image> = {}): void {
    const image = { id: `sha256:${name}`, repoTags: [name], repoDigests: [], sizeBytes: 1000, username: '' };
    this.images.set(name, { ...image, pinned: false, ...fields });
  }

  async listImages(): Promise<Image[]> {
    return [...this.images.values()];
  }

  async imageStatus(image: string): Promise<Image | undefined> {
    return this.images.get(image) ?? [...this.images.values()].find(({ id }) => id === image);
  }

  async pullImage(image: string, _auth?: AuthConfig): Promise<string> {
    this.record('pullImage', image);
    if (!this.images.has(image)) this.addImage(image);
    return `sha256:${image}`;
  }

  async removeImage(image: string): Promise<void> {
    const found = await this.imageStatus(image);
    for (const name of found?.repoTags ?? []) this.images.delete(name);
  }

  protected record(name: string, detail: string): void {
    this.calls.push(`${name} ${detail}`);
    this.onCall(name, detail);
  }
}
