/** What an entry of a folder is, seen without following a link. */
export type FileType = 'file' | 'directory' | 'link' | 'other';

/** The type that `stat -c %F` names, in the C locale. */
export function fileType(text: string): FileType {
  switch (text) {
    case 'directory':
      return 'directory';
    case 'regular file':
    case 'regular empty file':
      return 'file';
    case 'symbolic link':
      return 'link';
    default:
      return 'other';
  }
}
