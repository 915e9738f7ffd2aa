"""The machine a comparison runs on: commands and their times, caches, file systems of its own."""
import contextlib
import os
import platform
import shutil
import subprocess
import time


class Failed(Exception):
    """A command that ended with an error; the message ends with what it printed."""


def run(command, cwd=None, env=None):
    """Runs a command (a list) to its end and returns what it printed."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as error:
        raise Failed(f'{command[0]} is not installed') from error
    text = done.stdout.decode(errors='replace')
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {text[-2000:]}")
    return text


def timed(action, directory):
    """Seconds that an action takes until what it wrote below `directory` is durable."""
    begun = time.monotonic()
    action()
    run(['sync', '-f', directory])
    return time.monotonic() - begun


def is_root():
    return os.geteuid() == 0


def drop_caches():
    """The next reads come from the device. Needs root."""
    run(['sync'])
    with open('/proc/sys/vm/drop_caches', 'w', encoding='ascii') as file:
        file.write('3')


def warm(path):
    """All of a tree's pages and names are in the cache."""
    run(['sh', '-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', path])


def settle(directory):
    """What others left to be written is written, so that nobody pays for who came before."""
    run(['sync', '-f', directory])


def bytes_of(path):
    """What the file system has allocated below a path, without Ramet's ballast (space in reserve,
    which holds nothing)."""
    total = 0
    for directory, _, files in os.walk(path):
        for name in files:
            if name != 'ballast':
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return total


def await_rest(directory, say):
    """ext4 without a journal goes around recently deleted inodes for up to five minutes, and
    whoever makes files meanwhile is slow: waits until making files takes what it took best."""
    probe = os.path.join(directory, 'probe')
    os.mkdir(probe)

    def files_a_second(turn):
        into = os.path.join(probe, str(turn))
        os.mkdir(into)
        begun = time.monotonic()
        for i in range(2000):
            with open(os.path.join(into, str(i)), 'wb') as file:
                file.write(b'x' * 4096)
        return 2000 / (time.monotonic() - begun)

    for turn in range(20):
        rate = files_a_second(turn)
        if rate > 8000:
            return
        say(f'{rate:.0f} files a second: the file system is not at rest (recently deleted '
            'inodes?); waiting 20 seconds')
        time.sleep(20)
    say('the file system does not come to rest: what makes many files will look slow')


@contextlib.contextmanager
def loop_file_system(kind, directory, gibibytes):
    """A file system of its own in a file; yields where it is mounted. Needs root and loop
    devices."""
    image = os.path.join(directory, kind + '.image')
    mount = os.path.join(directory, kind)
    os.mkdir(mount)
    run(['truncate', '-s', f'{gibibytes}G', image])
    run({'xfs': ['mkfs.xfs', '-q', '-m', 'reflink=1', image],
         'btrfs': ['mkfs.btrfs', '-q', image]}[kind])
    run(['mount', '-o', 'loop', image, mount])
    try:
        yield mount
    finally:
        run(['umount', mount])
        os.remove(image)


def description(work):
    """What the report says of the machine."""
    def first(path, key):
        with contextlib.suppress(OSError):
            with open(path, encoding='utf-8') as file:
                for line in file:
                    if line.startswith(key):
                        return line.split(':', 1)[1].strip()
        return 'unknown'

    file_system = 'unknown'
    with contextlib.suppress(Failed):  # in some containers nothing is known
        file_system = run(['findmnt', '-n', '-o', 'FSTYPE,OPTIONS', '--target', work]).strip()
    return {
        'processors': f"{os.cpu_count()} x {first('/proc/cpuinfo', 'model name')}",
        'memory': first('/proc/meminfo', 'MemTotal'),
        'kernel': platform.release(),
        'file system': file_system,
        'free': f'{shutil.disk_usage(work).free >> 30} GiB',
        'load at the beginning': '%.2f %.2f %.2f' % os.getloadavg(),
    }
