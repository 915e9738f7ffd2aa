"""What is compared. In every round each contestant has its turn, each round in another order."""
import json
import os
import random
import resource
import shutil
import statistics

from . import data_sets, machine, tools

GIB = 1 << 30


class Comparison:
    """Runs the scenarios, and keeps every single time in `times[scenario][contestant]`."""

    def __init__(self, work, build, size, say):
        self.work = work
        self.build = build
        self.pages = {}  # Markdown of programs that make tables themselves
        self.size = size
        self.may_change_system = size.system and machine.is_root()
        self.say = say
        self.times = {}
        self.bytes = {}  # [what][contestant]: of stores, and by how much they grew
        self.cores = {}  # GB of content a second of processor time
        self.notes = []
        self.data = {}
        self.attic = os.path.join(work, 'attic')
        home = os.path.join(work, 'home')
        for directory in (self.attic, home):
            os.makedirs(directory)
        self.tools = tools.all_tools(home, build)
        for name, tool in list(self.tools.items()):
            if not tool.is_there():
                self.note(f'{name} is not installed')
                del self.tools[name]
        self.turn = 0

    def note(self, text):
        self.say(text)
        self.notes.append(text)

    # --- turns

    def fresh(self, name):
        self.turn += 1
        return os.path.join(self.work, f'{self.turn}.{name}'.replace(' ', ''))

    def away(self, path):
        """Out of the way. A tree of many files is removed at the very end only: ext4 goes around
        recently deleted inodes, and makes whoever comes next slow."""
        files = sum(len(names) for _, _, names in os.walk(path))
        if files > 500:
            os.rename(path, os.path.join(self.attic, os.path.basename(path)))
        else:
            shutil.rmtree(path)

    def alternate(self, scenario, contestants, rounds):
        """contestants: {name: (rounds at most, action(round) -> seconds)}."""
        kept = self.times.setdefault(scenario, {})
        names = list(contestants)
        for turn in range(rounds):
            # Who comes behind whom must not always be the same: for what one leaves to the device
            # (space to give up, for one) the next one pays.
            random.Random(f'{scenario} {turn}').shuffle(names)
            for name in names:
                most, action = contestants[name]
                if turn >= most:
                    continue
                machine.settle(self.work)
                try:
                    seconds = action(turn)
                except machine.Failed as error:
                    self.note(f'{scenario}: {name}: {error}')
                    contestants[name] = (0, action)
                    continue
                kept.setdefault(name, []).append(seconds)
                self.say(f'{scenario}: {name}: {seconds:.3f} s')

    def rounds_of(self, tool):
        return self.size.slow_rounds if tool.slow else self.size.rounds

    def chosen(self, names):
        return [self.tools[name] for name in names if name in self.tools]

    # --- one big file

    def make_data(self):
        size = self.size
        at = os.path.join(self.work, 'data')
        self.data['big'] = data_sets.make_random(at + '/big', 1, size.big_mib)
        self.data['tree'] = data_sets.make_tree(at + '/tree', size.files)
        for name, make, mebibytes in (('edited', data_sets.make_edited, size.edited_mib),
                                      ('logs', data_sets.make_logs, size.text_mib),
                                      ('records', data_sets.make_records, size.text_mib)):
            self.data[name] = make(f'{at}/{name}', 2, mebibytes)
        self.data['tars'] = data_sets.make_tars(at + '/tars', 3, '/usr/include', size.files // 10)
        for name, paths in self.data.items():
            paths = [paths] if isinstance(paths, str) else paths
            files, total = (sum(of) for of in zip(*map(data_sets.count, paths)))
            self.say(f'data set {name}: {files} files, {total / 2 ** 20:.0f} MiB')

    def raw(self, kind):
        """What the device gives: fio past the page cache, 1 MiB pieces, 16 in flight."""
        path = os.path.join(self.work, 'fio')
        out = machine.run(['fio', '--name=raw', f'--filename={path}', f'--rw={kind}', '--bs=1M',
                           f'--size={self.size.big_mib}M', '--direct=1', '--ioengine=io_uring',
                           '--iodepth=16', '--end_fsync=1', '--output-format=json'])
        job = json.loads(out[out.index('{'):])['jobs'][0]
        if kind == 'write':
            os.remove(path)
        return job[kind]['io_bytes'] / job[kind]['bw_bytes']

    def ingest(self, tool, source, name, cold=False, keep=None):
        """Seconds of putting a source into a new store; `keep`: a dictionary that gets it."""
        store = self.fresh(tool.name)
        tool.make(store)
        machine.settle(self.work)
        if cold:
            machine.drop_caches()
        else:
            machine.warm(source)
        seconds = machine.timed(lambda: tool.ingest(store, source, name), self.work)
        self.bytes.setdefault(name, {})[tool.name] = machine.bytes_of(store)
        if keep is not None and tool.name not in keep:
            keep[tool.name] = store
        else:
            self.away(store)
        return seconds

    def restore(self, tool, store, source, name, first):
        into = self.fresh(tool.name)
        os.mkdir(into)
        machine.warm(store)
        seconds = machine.timed(lambda: tool.restore(store, source, name, into), self.work)
        if first:  # what is fast must be right too
            same_files(source, tool.restored(source, into), tool.name)
        self.away(into)
        return seconds

    def contest(self, scenario, names, action):
        """Each of these tools: action(tool, round) -> seconds."""
        def of(tool):
            return (self.rounds_of(tool), lambda turn: action(tool, turn))
        self.alternate(scenario, {tool.name: of(tool) for tool in self.chosen(names)},
                       self.size.rounds)

    def big_file(self):
        source, stores = self.data['big'], {}
        names = ['ramet', 'ramet (none)', 'cp -r', 'restic', 'borg', 'casync', 'bup', 'git']
        contestants = {tool.name: (self.rounds_of(tool), lambda turn, tool=tool: self.ingest(
            tool, source, 'big', keep=stores)) for tool in self.chosen(names)}
        contestants['raw write'] = (self.size.rounds, lambda turn: self.raw('write'))
        self.alternate('big: ingest, hot', contestants, self.size.rounds)
        if self.may_change_system:
            self.contest('big: ingest, cold', ['ramet', 'ramet (none)', 'cp -r'],
                         lambda tool, turn: self.ingest(tool, source, 'big', cold=True))
        contestants = {tool.name: (self.rounds_of(tool), lambda turn, tool=tool: self.restore(
            tool, stores[tool.name], source, 'big', turn == 0))
            for tool in self.chosen(names) if tool.name in stores}
        contestants['raw write'] = (self.size.rounds, lambda turn: self.raw('write'))
        self.alternate('big: export', contestants, self.size.rounds)
        self.again('big: ingest again, all read', source, 'big', stores)
        for store in stores.values():
            self.away(store)

    def again(self, scenario, source, name, stores):
        """Bytes that are there already, read anew."""
        def action(tool, turn):
            del turn
            store = stores[tool.name]
            machine.warm(source)
            before = machine.bytes_of(store)
            used = processor_seconds()
            seconds = machine.timed(lambda: tool.ingest_again(store, source, name), self.work)
            used = processor_seconds() - used
            size = data_sets.count(source)[1]
            self.cores.setdefault(scenario, {}).setdefault(tool.name, []).append(size / used / 1e9)
            self.bytes.setdefault(scenario + ': growth', {})[tool.name] = (
                machine.bytes_of(store) - before)
            return seconds
        self.contest(scenario, [name for name in stores
                                if hasattr(self.tools[name], 'ingest_again')], action)

    # --- a tree of small files

    def small_files(self):
        source, stores = self.data['tree'], {}
        names = ['ramet', 'ramet (none)', 'cp -r', 'tar', 'rsync -a', 'restic', 'borg', 'casync',
                 'bup', 'git']
        self.contest('tree: import, hot', names,
                     lambda tool, turn: self.ingest(tool, source, 'tree', keep=stores))
        if self.may_change_system:
            self.contest('tree: import, cold', ['ramet', 'ramet (none)', 'cp -r', 'tar'],
                         lambda tool, turn: self.ingest(tool, source, 'tree', cold=True))
        self.contest('tree: export', [name for name in names if name in stores],
                     lambda tool, turn: self.restore(tool, stores[tool.name], source, 'tree',
                                                     turn == 0))
        walk = ['find', source, '-printf', '%p %s %T@ %C@ %i\n']
        contestants = {tool.name: (self.rounds_of(tool), lambda turn, tool=tool: machine.timed(
            lambda: tool.ingest(stores[tool.name], source, 'tree'), self.work))
            for tool in self.chosen(names) if tool.name in stores and tool.name not in
            ('cp -r', 'tar')}
        contestants['find -printf'] = (self.size.rounds, lambda turn: machine.timed(
            lambda: machine.run(walk), self.work))
        self.alternate('tree: import again', contestants, self.size.rounds)
        self.again('tree: import again, all read', source, 'tree',
                   {name: stores[name] for name in ('ramet', 'ramet (none)') if name in stores})
        self.clones(source, stores)
        for store in stores.values():
            self.away(store)

    def clones(self, source, stores):
        contestants = {}
        ramet = self.tools['ramet']
        contestants['ramet'] = (self.size.rounds, lambda turn: machine.timed(
            lambda: ramet.clone(stores['ramet'], 'tree', f'clone{turn}'), self.work))
        contestants['true (a process)'] = (self.size.rounds, lambda turn: machine.timed(
            lambda: machine.run(['true']), self.work))
        mounted = []
        for kind in ('xfs', 'btrfs') if self.may_change_system else ():
            try:
                context = machine.loop_file_system(kind, self.work, 8)
                mount = context.__enter__()
            except machine.Failed as error:
                self.note(f'no {kind}: {error}')
                continue
            mounted.append(context)
            tree = mount + '/tree'
            if kind == 'btrfs':
                machine.run(['btrfs', 'subvolume', 'create', tree])
                machine.run(['cp', '-r', source + '/.', tree])
                contestants['btrfs snapshot'] = (self.size.rounds, lambda turn, mount=mount: (
                    machine.timed(lambda: machine.run(
                        ['btrfs', 'subvolume', 'snapshot', mount + '/tree',
                         f'{mount}/snapshot{turn}']), mount)))
            else:
                machine.run(['cp', '-r', source, tree])
            contestants[f'cp --reflink, {kind}'] = (
                self.size.slow_rounds, lambda turn, mount=mount: machine.timed(
                    lambda: machine.run(['cp', '-r', '--reflink=always', mount + '/tree',
                                         f'{mount}/copy{turn}']), mount))
            machine.settle(mount)
        try:
            self.alternate('tree: clone', contestants, self.size.rounds)
        finally:
            for context in mounted:
                context.__exit__(None, None, None)

    # --- versions

    def versions(self):
        """How big a store is with one version of something, and by how much the next one makes
        it grow."""
        for name in ('edited', 'logs', 'records', 'tars'):
            first, second = self.data[name]
            contents = data_sets.count(first)[1]
            stores = {}
            tools_here = ['ramet', 'ramet (none)', 'restic', 'borg', 'casync', 'bup', 'git']
            if contents > GIB // 2 and self.size.slow_rounds < 2:
                tools_here = tools_here[:4]
            self.contest(f'{name}: first', tools_here, lambda tool, turn, first=first, name=name:
                         self.ingest(tool, first, name, keep=stores))

            def next_version(tool, turn, second=second, name=name, stores=stores):
                del turn
                store = stores.pop(tool.name)
                before = machine.bytes_of(store)
                machine.warm(second)
                seconds = machine.timed(lambda: tool.ingest(store, second, name), self.work)
                self.bytes.setdefault(name + ': growth', {})[tool.name] = (
                    machine.bytes_of(store) - before)
                self.away(store)
                return seconds
            rounds, slow = self.size.rounds, self.size.slow_rounds
            self.size.rounds = self.size.slow_rounds = 1
            self.contest(f'{name}: next', list(stores), next_version)
            self.size.rounds, self.size.slow_rounds = rounds, slow

    # --- curves over size

    def curves(self):
        """Seconds of putting one file of each size, and of cloning so many files."""
        for mebibytes in self.size.curve_mib:
            source = data_sets.make_random(self.fresh('curve'), 4 + mebibytes, mebibytes)
            self.contest(f'curve: ingest of MiB: {mebibytes}',
                         ['ramet', 'cp -r', 'restic', 'borg'],
                         lambda tool, turn, source=source: self.ingest(tool, source, 'curve'))
            self.away(source)
        ramet = self.tools['ramet']
        for files in self.size.curve_files:
            source = self.fresh('files')
            os.mkdir(source)
            for i in range(files):
                folder = f'{source}/{i // 1000}'
                os.makedirs(folder, exist_ok=True)
                with open(f'{folder}/{i}', 'wb') as file:
                    file.write(str(i).encode())
            store = self.fresh('ramet')
            ramet.make(store)
            ramet.ingest(store, source, 'x')
            self.alternate(f'curve: clone of files: {files}', {
                'ramet': (self.size.rounds, lambda turn, store=store: machine.timed(
                    lambda: ramet.clone(store, 'x', f'y{turn}'), self.work)),
                'cp -r': (self.size.rounds, lambda turn, source=source: machine.timed(
                    lambda: machine.run(['cp', '-r', source, self.attic + f'/{files}.{turn}']),
                    self.work)),
            }, self.size.rounds)
            self.away(store)
            self.away(source)

    def chunks(self):
        """What Ramet's chunker and FastCDC find twice in six kinds of data."""
        at = os.path.join(self.work, 'data')
        data_sets.make_archive(at + '/libraries.tar', ['/usr/lib/x86_64-linux-gnu', '/usr/bin'],
                               self.size.text_mib * 4)
        data_sets.make_archive(at + '/share.tar', ['/usr/share'], self.size.text_mib * 4)
        sets = {'random, 200 edits': [path + '/data' for path in self.data['edited']],
                'headers, 5 % edited': [path + '/data' for path in self.data['tars']],
                'libraries and binaries': [at + '/libraries.tar'],
                'usr/share': [at + '/share.tar'],
                'logs, 300 lines inserted': [path + '/data' for path in self.data['logs']],
                'counters, 100 inserted': [path + '/data' for path in self.data['records']]}
        self.pages['What cutting finds twice'] = machine.run(
            [self.build + '/bench/dedup_table',
             *(f"{name}={','.join(files)}" for name, files in sets.items())])

    def objects(self):
        """Small objects, one by one."""
        self.pages['Small objects'] = machine.run(
            [self.build + '/bench/object_table', self.fresh('objects'),
             f'rounds={self.size.rounds}', f'objects={self.size.objects}',
             f'seconds={self.size.seconds}'])

    def parts(self):
        return {'chunks': self.chunks, 'objects': self.objects,
                'big': self.big_file, 'tree': self.small_files, 'versions': self.versions,
                'curves': self.curves}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def same_files(expected, found, who):
    """Names and bytes of all files (git knows no empty folders)."""
    def names(root):
        return {os.path.relpath(os.path.join(directory, name), root)
                for directory, _, files in os.walk(root) for name in files}
    if names(expected) != names(found):
        raise machine.Failed(f'{who} restored other files')
    for name in names(expected):
        a, b = os.path.join(expected, name), os.path.join(found, name)
        if os.path.islink(a) != os.path.islink(b):
            raise machine.Failed(f'{who} restored {name} as something else')
        if os.path.islink(a):
            same = os.readlink(a) == os.readlink(b)
        else:
            with open(a, 'rb') as one, open(b, 'rb') as other:
                same = one.read() == other.read()
        if not same:
            raise machine.Failed(f'{who} restored {name} with other bytes')


def median(values):
    return statistics.median(values) if values else None
