"""The data that is compared on. All but the tree of small files comes from a seed alone."""
import os
import random
import shutil
import stat

MIB = 1 << 20


def make_random(directory, seed, mebibytes):
    """One file of random bytes."""
    os.makedirs(directory)
    generator = random.Random(seed)
    with open(os.path.join(directory, 'random'), 'wb') as file:
        for _ in range(mebibytes):
            file.write(generator.randbytes(MIB))
    return directory


def make_tree(directory, files_max, bytes_max=256 << 10):
    """Copies small files of this system, with their folders and symbolic links, until there are
    enough: real names, sizes and contents, which differ from machine to machine; the report says
    how many there were."""
    os.makedirs(directory)
    files = 0
    for root in ('/usr/share', '/usr/include', '/usr/lib/python3', '/usr/lib'):
        for source, folders, names in os.walk(root):
            folders.sort()
            into = directory + source
            for name in sorted(names):
                path = os.path.join(source, name)
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    os.makedirs(into, exist_ok=True)
                    if not os.path.lexists(os.path.join(into, name)):
                        os.symlink(os.readlink(path), os.path.join(into, name))
                elif stat.S_ISREG(status.st_mode) and status.st_size <= bytes_max:
                    os.makedirs(into, exist_ok=True)
                    if not os.path.lexists(os.path.join(into, name)):
                        shutil.copy2(path, os.path.join(into, name))
                        files += 1
                if files == files_max:
                    return directory
    return directory


def _versions(directory, first, second):
    for version, data in (('v0', first), ('v1', second)):
        os.makedirs(os.path.join(directory, version))
        with open(os.path.join(directory, version, 'data'), 'wb') as file:
            file.write(data)
    return [os.path.join(directory, 'v0'), os.path.join(directory, 'v1')]


def make_edited(directory, seed, mebibytes):
    """Random bytes, and the same with 100 overwrites and 100 insertions of 1 to 64 bytes."""
    generator = random.Random(seed)
    first = bytearray()
    for _ in range(mebibytes):
        first += generator.randbytes(MIB)
    second = bytearray(first)
    for _ in range(100):
        length = generator.randint(1, 64)
        at = generator.randrange(len(second) - length)
        second[at:at + length] = generator.randbytes(length)
    pieces, begun = [], 0
    for at in sorted(generator.randrange(len(second)) for _ in range(100)):
        pieces += [bytes(second[begun:at]), generator.randbytes(generator.randint(1, 64))]
        begun = at
    pieces.append(bytes(second[begun:]))
    return _versions(directory, first, b''.join(pieces))


def make_logs(directory, seed, mebibytes):
    """Lines of a server's log, and the same with 300 lines inserted."""
    generator = random.Random(seed)
    words = ['GET', 'POST', 'index.html', 'api/v1/items', 'login', '200', '404', '304', 'timeout',
             'Mozilla/5.0', 'curl/7.88', 'cache', 'miss', 'hit', 'upstream', 'retry']
    moment = 1_700_000_000

    def line():
        nonlocal moment
        moment += generator.randint(0, 3)
        said = ' '.join(generator.choices(words, k=generator.randint(4, 12)))
        return (f'{moment} 10.0.{generator.randrange(4)}.{generator.randrange(256)} {said} '
                f'{generator.randrange(100000)}\n').encode()

    lines, size = [], 0
    while size < mebibytes * MIB:
        lines.append(line())
        size += len(lines[-1])
    changed = list(lines)
    for at in sorted((generator.randrange(len(lines)) for _ in range(300)), reverse=True):
        changed.insert(at, line())
    return _versions(directory, b''.join(lines), b''.join(changed))


def make_records(directory, seed, mebibytes):
    """Records that count up, and the same with 100 of them inserted."""
    generator = random.Random(seed)
    records = [f'{{"id":{i:012d},"value":{i * 7 % 100003:06d},"kind":"counter"}}\n'.encode()
               for i in range(mebibytes * MIB // 56)]
    changed = list(records)
    for at in sorted((generator.randrange(len(records)) for _ in range(100)), reverse=True):
        changed.insert(at, f'{{"id":{generator.randrange(10 ** 12):012d},"new":1}}\n'.encode())
    return _versions(directory, b''.join(records), b''.join(changed))


def make_tars(directory, seed, tree, files_max):
    """A tar of small text files, and one in which one in twenty of them got a line more."""
    import io
    import tarfile
    generator = random.Random(seed)
    chosen = []
    for source, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(source, name)
            if not os.path.islink(path) and os.path.getsize(path) <= 64 << 10:
                chosen.append(path)
    chosen = chosen[:files_max]
    edited = set(generator.sample(range(len(chosen)), max(1, len(chosen) // 20)))

    def pack(edit):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w') as tar:
            for i, path in enumerate(chosen):
                with open(path, 'rb') as file:
                    data = file.read()
                if edit and i in edited:
                    at = generator.randrange(len(data) + 1)
                    data = data[:at] + b'// a line that was not there before\n' + data[at:]
                info = tarfile.TarInfo(path.lstrip('/'))
                info.size = len(data)
                info.mtime = 1_700_000_000
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    return _versions(directory, pack(False), pack(True))


def make_archive(path, sources, mebibytes_max):
    """One tar of what is below the sources, until it is big enough; bytes that come as they are."""
    import tarfile
    size = 0
    with tarfile.open(path, 'w') as tar:
        for root in sources:
            for source, folders, names in os.walk(root):
                folders.sort()
                for name in sorted(names):
                    file = os.path.join(source, name)
                    if os.path.islink(file) or not os.path.isfile(file):
                        continue
                    tar.add(file)
                    size += os.path.getsize(file)
                    if size > mebibytes_max * MIB:
                        return path
    return path


def count(path):
    """Files and bytes below a path."""
    files = size = 0
    for directory, _, names in os.walk(path):
        for name in names:
            status = os.lstat(os.path.join(directory, name))
            if stat.S_ISREG(status.st_mode):
                files += 1
                size += status.st_size
    return files, size
