"""Fetches one source archive and unpacks it: ARCHIVE SHA256 FOLDER URL..."""

import hashlib
import os
import sys
import tarfile
import urllib.request


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def download(url, path):
    request = urllib.request.Request(url, headers={"User-Agent": "eryx-xtask"})
    with urllib.request.urlopen(request, timeout=60) as reply, open(path, "wb") as file:
        while block := reply.read(1 << 18):
            file.write(block)
            print("downloaded", file.tell())


def fetch(archive, wanted, urls):
    tried = []
    partial = archive + ".partial"
    for url in urls:
        try:
            download(url, partial)
        except OSError as error:
            tried.append(f"  {url}: {error}")
            continue
        found = digest(partial)
        if found == wanted:
            os.replace(partial, archive)
            return
        tried.append(f"  {url}: wrong content, sha256 {found}")
    print(f"no source for {os.path.basename(archive)} (sha256 {wanted}) could be had. Tried:")
    print("\n".join(tried) or "  nothing: no address is known")
    print(f"Put the file at {archive} by hand, or make one of these reachable, and run this again.")
    sys.exit(1)


def main():
    archive, wanted, folder, *urls = sys.argv[1:]
    if not os.path.exists(archive) or digest(archive) != wanted:
        fetch(archive, wanted, urls)
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "tar_filter"):
            tar.extraction_filter = tarfile.tar_filter
        tar.extractall(folder)


main()
