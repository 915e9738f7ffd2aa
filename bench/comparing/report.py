"""What a comparison found: JSON with every single time, a page with tables, and plots."""
import datetime
import json
import os
import statistics

MIB = 1 << 20

# What is promised: (text, ours, theirs, at most or at least, must, stretch). The figure is the
# median of the rounds' ratios; 'at most': our time / theirs; 'at least': their time / ours.
CONTRACT = [
    ('ingest of a big file, hot, against raw write', 'big: ingest, hot', 'ramet (none)',
     'raw write', 'at least', 0.70, 0.90),
    ('the same, cold, against cp', 'big: ingest, cold', 'ramet (none)', 'cp -r', 'at most', 0.9,
     0.7),
    ('export of a big file against raw write', 'big: export', 'ramet (none)', 'raw write',
     'at least', 0.80, 0.95),
    ('import of the tree, hot, against cp -r', 'tree: import, hot', 'ramet (none)', 'cp -r',
     'at most', 0.55, 0.45),
    ('import of the tree, hot, against borg', 'tree: import, hot', 'ramet (none)', 'borg',
     'at least', 6, 6),
    ('import of the tree, cold, against cp -r', 'tree: import, cold', 'ramet (none)', 'cp -r',
     'at most', 0.40, 0.3),
    ('import again against find -printf', 'tree: import again', 'ramet', 'find -printf', 'at most',
     1.5, 1.1),
    ('export of the tree against tar xf', 'tree: export', 'ramet', 'tar', 'at most', 1.0, 1.0),
    ('export of the tree against restic', 'tree: export', 'ramet', 'restic', 'at most', 0.5, 0.5),
    ('export of the tree against cp -r', 'tree: export', 'ramet', 'cp -r', 'at most', None, 0.8),
]


def ratios(times, scenario, ours, theirs, way):
    pairs = zip(times.get(scenario, {}).get(ours, []), times.get(scenario, {}).get(theirs, []))
    return [b / a if way == 'at least' else a / b for a, b in pairs]


def contract(comparison):
    rows = []
    for text, scenario, ours, theirs, way, must, stretch in CONTRACT:
        found = ratios(comparison.times, scenario, ours, theirs, way)
        if not found:
            continue
        figure = statistics.median(found)
        def holds(limit):
            return limit is not None and (figure >= limit if way == 'at least'
                                          else figure <= limit)
        if must is not None and not holds(must):
            verdict = 'missed'
        else:
            verdict = 'stretch' if holds(stretch) else 'holds'
        rows.append({'what': text, 'who': ours, 'figure': figure, 'rounds': len(found), 'way': way,
                     'must': must, 'stretch': stretch, 'verdict': verdict})
    return rows


def write(comparison, about, directory):
    """comparison.md, comparison.json and the plots. Returns the page's path."""
    os.makedirs(directory, exist_ok=True)
    promised = contract(comparison)
    with open(os.path.join(directory, 'comparison.json'), 'w', encoding='utf-8') as file:
        json.dump({'about': about, 'contract': promised, 'seconds': comparison.times,
                   'bytes': comparison.bytes, 'pages': comparison.pages,
                   'gigabytes a core second': comparison.cores,
                   'notes': comparison.notes}, file, indent=1)
        file.write('\n')
    plots = draw(comparison, directory)
    page = os.path.join(directory, 'comparison.md')
    with open(page, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines(comparison, about, promised, plots)) + '\n')
    return page


def lines(comparison, about, promised, plots):
    yield f"# Ramet beside its peers, {datetime.date.today().isoformat()}"
    yield ''
    yield f"`{about['command']}`: one run, the contestants alternating. Seconds until all is"
    yield 'durable (`sync -f`), medians with least and most; a ratio is the median of the ratios'
    yield 'of the rounds.'
    yield ''
    for name, value in about['machine'].items():
        yield f'- {name}: {value}'
    yield '- versions: ' + ', '.join(f'{name} {version}' for name, version
                                     in about['versions'].items() if version)
    yield '- data sets: ' + ', '.join(about['data sets'])
    for note in comparison.notes:
        yield f'- note: {note}'
    if promised:
        yield ''
        yield '## What is promised'
        yield '| what | figure | must | stretch | |'
        yield '| --- | --- | --- | --- | --- |'
        for row in promised:
            def limit(value, way=row['way']):
                return '' if value is None else f'{way} {value}'
            yield (f"| {row['what']} ({row['who']}) | **{row['figure']:.2f}** | "
                   f"{limit(row['must'])} | {limit(row['stretch'])} | {row['verdict']} |")
    for scenario, kept in comparison.times.items():
        if scenario.startswith('curve'):
            continue
        yield ''
        yield f'## {scenario}'
        yield '| who | rounds | median | least | most | ramet / this |'
        yield '| --- | --- | --- | --- | --- | --- |'
        for name, seconds in sorted(kept.items(), key=lambda of: statistics.median(of[1])):
            found = ratios(comparison.times, scenario, 'ramet', name, 'at most')
            ratio = f'{statistics.median(found):.2f}' if found else ''
            yield (f'| {name} | {len(seconds)} | {statistics.median(seconds):.3f} | '
                   f'{min(seconds):.3f} | {max(seconds):.3f} | {ratio} |')
    for what, found in comparison.cores.items():
        yield ''
        yield f'**{what}**, GB a second of processor time: ' + ', '.join(
            f'{name} {statistics.median(values):.2f}' for name, values in found.items())
    names = sorted({name for found in comparison.bytes.values() for name in found})
    if names:
        yield ''
        yield '## Bytes of stores'
        yield '| MiB | ' + ' | '.join(names) + ' |'
        yield '| --- |' + ' --- |' * len(names)
    for what, found in comparison.bytes.items():
        cells = [f'{found[name] / MIB:.1f}' if name in found else '' for name in names]
        yield f'| {what} | ' + ' | '.join(cells) + ' |'
    for title, text in comparison.pages.items():
        yield ''
        yield f'## {title}'
        yield text.strip()
    curves = [(scenario, kept) for scenario, kept in comparison.times.items()
              if scenario.startswith('curve')]
    if curves:
        yield ''
        yield '## Curves'
        yield '| | ' + ' | '.join(sorted({n for _, kept in curves for n in kept})) + ' |'
        columns = sorted({n for _, kept in curves for n in kept})
        yield '| --- |' + ' --- |' * len(columns)
        for scenario, kept in curves:
            cells = [f'{statistics.median(kept[n]):.3f}' if n in kept else '' for n in columns]
            yield f"| {scenario.removeprefix('curve: ')} | " + ' | '.join(cells) + ' |'
    for plot in plots:
        yield ''
        yield f'![{plot}]({plot})'


def draw(comparison, directory):
    """Bars with their spread, and curves over size, as SVG. Names of the files."""
    try:
        import matplotlib
        matplotlib.use('svg')
        from matplotlib import pyplot
    except ImportError:
        comparison.note('no plots: python3-matplotlib is not installed')
        return []
    matplotlib.rcParams['svg.hashsalt'] = 'ramet'  # the same figures give the same file
    plots = []

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(os.path.join(directory, name), metadata={'Date': None})
        pyplot.close(figure)
        plots.append(name)

    bars = {scenario: kept for scenario, kept in comparison.times.items()
            if not scenario.startswith('curve') and kept}
    for group in ('big', 'tree'):
        chosen = {s: kept for s, kept in bars.items() if s.startswith(group + ':')}
        if not chosen:
            continue
        figure, axes = pyplot.subplots(len(chosen), 1, figsize=(8, 1 + 2.2 * len(chosen)),
                                       squeeze=False)
        for axis, (scenario, kept) in zip(axes[:, 0], chosen.items()):
            names = sorted(kept, key=lambda name, kept=kept: statistics.median(kept[name]))
            middle = [statistics.median(kept[name]) for name in names]
            spread = [[m - min(kept[n]) for n, m in zip(names, middle)],
                      [max(kept[n]) - m for n, m in zip(names, middle)]]
            colours = ['#2a6f97' if n.startswith('ramet') else '#a9b4bd' for n in names]
            axis.barh(names, middle, xerr=spread, color=colours, capsize=2)
            axis.invert_yaxis()
            axis.set_xscale('log')
            axis.set_title(scenario, fontsize=9, loc='left')
            axis.tick_params(labelsize=8)
        axes[-1, 0].set_xlabel('seconds, median of the rounds with least and most')
        save(figure, f'comparison-{group}.svg')
    for what, label in (('ingest of MiB', 'one file, MiB'), ('clone of files', 'files')):
        points = {}
        for scenario, kept in comparison.times.items():
            if scenario.startswith(f'curve: {what}: '):
                size = int(scenario.rsplit(' ', 1)[1])
                for name, seconds in kept.items():
                    points.setdefault(name, []).append((size, seconds))
        if not points:
            continue
        figure, axis = pyplot.subplots(figsize=(8, 4))
        for name, found in points.items():
            sizes = [size for size, _ in found]
            axis.plot(sizes, [statistics.median(s) for _, s in found], marker='o', label=name)
            axis.fill_between(sizes, [min(s) for _, s in found], [max(s) for _, s in found],
                              alpha=0.2)
        axis.set_xscale('log')
        axis.set_yscale('log')
        axis.set_xlabel(label)
        axis.set_ylabel('seconds')
        axis.legend()
        save(figure, f"comparison-{what.split()[0]}.svg")
    return plots
