"""The tools that are compared, each behind the same five calls."""
import os
import re
import shutil

from . import machine


class Tool:
    """make() and what else comes before is not timed; ingest() and restore() are."""
    name = ''
    package = ''  # Debian's; '' when it is always there
    slow = False  # takes so long that fewer rounds must do
    version_command = None

    def __init__(self, home):
        self.home = home
        self.env = {**os.environ, 'HOME': home, 'XDG_CACHE_HOME': home + '/.cache',
                    'BORG_BASE_DIR': home, 'RESTIC_PASSWORD': 'x', 'RESTIC_CACHE_DIR':
                    home + '/restic', 'BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK': 'yes',
                    'GIT_AUTHOR_NAME': 'x', 'GIT_AUTHOR_EMAIL': 'x', 'GIT_COMMITTER_NAME': 'x',
                    'GIT_COMMITTER_EMAIL': 'x', 'LC_ALL': 'C.UTF-8'}

    def run(self, *command, cwd=None, **env):
        return machine.run(list(command), cwd=cwd, env={**self.env, **env})

    def is_there(self):
        return not self.version_command or shutil.which(self.version_command[0]) is not None

    def version(self):
        if not self.version_command:
            return ''
        found = re.search(r'\d[\w.+-]*', self.run(*self.version_command))
        return found.group(0) if found else ''

    def make(self, store):
        """A new, empty store in a directory that isn't there yet."""
        os.mkdir(store)

    def ingest(self, store, source, name):
        raise NotImplementedError

    # Some have ingest_again(): the same without trust in sizes and times, every byte is read.

    def restore(self, store, source, name, into):
        """`into` is an empty directory; afterwards it holds the tree, or the tree's path does."""
        raise NotImplementedError

    def restored(self, source, into):
        """Where the tree lies then."""
        return into


class Ramet(Tool):
    name = 'ramet'
    compression = 'zstd'

    def __init__(self, home, build):
        super().__init__(home)
        self.program = build + '/ramet'
        self.version_command = [self.program, '--version']

    def ramet(self, store, *arguments):
        return self.run(self.program, '--store', store, '--no-progress', *arguments)

    def make(self, store):
        self.run(self.program, 'init', '--compression', self.compression, store)

    def ingest(self, store, source, name):
        self.ramet(store, 'import', '--create', source, name + ':/')

    def ingest_again(self, store, source, name):
        self.ramet(store, 'import', '--no-stat-cache', source, name + ':/')

    def restore(self, store, source, name, into):
        self.ramet(store, "export", "--sync", name + ":/", into)

    def clone(self, store, name, clone):
        self.ramet(store, 'clone', name, clone)


class RametPlain(Ramet):
    name = 'ramet (none)'
    compression = 'none'


class Cp(Tool):
    name = 'cp -r'
    version_command = ['cp', '--version']

    def ingest(self, store, source, name):
        self.run('cp', '-r', source, store + '/' + name)

    def restore(self, store, source, name, into):
        self.run('cp', '-r', source, into)

    def restored(self, source, into):
        return into + '/' + os.path.basename(source)


class Tar(Tool):
    name = 'tar'
    version_command = ['tar', '--version']

    def ingest(self, store, source, name):
        self.run('tar', 'cf', f'{store}/{name}.tar', '-C', source, '.')

    def restore(self, store, source, name, into):
        self.run('tar', 'xf', f'{store}/{name}.tar', '-C', into)


class Rsync(Tool):
    name = 'rsync -a'
    package = 'rsync'
    version_command = ['rsync', '--version']

    def ingest(self, store, source, name):
        self.run('rsync', '-a', source + '/', store + '/' + name)

    def restore(self, store, source, name, into):
        self.run('rsync', '-a', source + '/', into)


class Restic(Tool):
    name = 'restic'
    package = 'restic'
    version_command = ['restic', 'version']

    def make(self, store):
        self.run('restic', '-r', store, 'init')

    def ingest(self, store, source, name):
        self.run('restic', '-r', store, 'backup', '--quiet', '--tag', name, source)

    def ingest_again(self, store, source, name):
        self.run('restic', '-r', store, 'backup', '--quiet', '--force', '--tag', name, source)

    def restore(self, store, source, name, into):
        self.run('restic', '-r', store, 'restore', 'latest', '--tag', name, '--target', into)

    def restored(self, source, into):
        return into + source


class Borg(Tool):
    name = 'borg'
    package = 'borgbackup'
    version_command = ['borg', '--version']

    def __init__(self, home):
        super().__init__(home)
        self.turn = 0

    def make(self, store):
        self.run('borg', 'init', '-e', 'none', store)

    def ingest(self, store, source, name):
        self.turn += 1
        self.run('borg', 'create', '-C', 'lz4', f'{store}::{name}-{self.turn}', '.', cwd=source)

    def ingest_again(self, store, source, name):
        self.turn += 1
        self.run('borg', 'create', '-C', 'lz4', '--files-cache', 'disabled',
                 f'{store}::{name}-{self.turn}', '.', cwd=source)

    def restore(self, store, source, name, into):
        last = self.run('borg', 'list', '--short', '--last', '1', '-P', name + '-', store).strip()
        self.run('borg', 'extract', f'{store}::{last}', cwd=into)


class Casync(Tool):
    name = 'casync'
    package = 'casync'
    slow = True
    version_command = ['casync', '--version']

    def ingest(self, store, source, name):
        self.run('casync', 'make', f'--store={store}/blocks.castr', f'{store}/{name}.caidx', source)

    ingest_again = ingest  # it always reads

    def restore(self, store, source, name, into):
        self.run('casync', 'extract', f'--store={store}/blocks.castr', f'{store}/{name}.caidx',
                 into + '/tree')

    def restored(self, source, into):
        return into + '/tree'


class Bup(Tool):
    name = 'bup'
    package = 'bup'
    slow = True
    version_command = ['bup', '--version']

    def make(self, store):
        self.run('bup', '-d', store, 'init')

    def ingest(self, store, source, name):
        self.run('bup', '-d', store, 'index', source)
        self.run('bup', '-d', store, 'save', '-q', '-n', name, source)

    def restore(self, store, source, name, into):
        self.run('bup', '-d', store, 'restore', '-q', '-C', into, f'/{name}/latest{source}/.')


class Git(Tool):
    name = 'git'
    package = 'git'
    slow = True
    version_command = ['git', '--version']

    def make(self, store):
        self.run('git', 'init', '-q', '--bare', store)
        self.run('git', '-C', store, 'config', 'core.bare', 'false')

    def ingest(self, store, source, name):
        place = {'GIT_DIR': store, 'GIT_WORK_TREE': source}
        self.run('git', 'add', '-A', '-f', cwd=source, **place)
        self.run('git', 'commit', '-q', '--allow-empty', '-m', name, cwd=source, **place)

    def restore(self, store, source, name, into):
        self.run('git', 'checkout', '-q', '-f', 'HEAD', '--', '.', cwd=into,
                 GIT_DIR=store, GIT_WORK_TREE=into)


def all_tools(home, build):
    return {tool.name: tool for tool in (
        Ramet(home, build), RametPlain(home, build), Cp(home), Tar(home), Rsync(home),
        Restic(home), Borg(home), Casync(home), Bup(home), Git(home))}


PACKAGES = ['restic', 'borgbackup', 'casync', 'bup', 'git', 'rsync', 'btrfs-progs', 'xfsprogs',
            'fio', 'python3-matplotlib']
