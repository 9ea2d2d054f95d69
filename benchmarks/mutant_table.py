"""The mutants: each breaks one promise of the product, and names the tests that must go red for it."""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """A piece of a file, which is there exactly once, and what stands there instead."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """What is broken and how; every one of `tests` must fail. `hangs`: running out of time is failing too."""

    name: str
    how: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    hangs: bool = False


LOCAL, OBJECTS = "tests/catalog/log/test_local.py", "tests/catalog/log/test_objects.py"
SYNCED_FIRST = f"{LOCAL}::test_nothing_is_named_or_acknowledged_before_it_is_synced"
LOG_CUT = (
    "tests/benchmarks/faults/test_power_cut.py"
    "::test_where_the_mutants_are_found_out_the_product_is_not[log.published:stop@6]"
)
LAKE_CUT = LOG_CUT.replace("log.published:stop@6", "commit.swapped:stop@2")
DURABLE_BEFORE_SWAP = (
    "tests/catalog/lake/test_fileio.py::test_every_named_file_and_folder_is_durable_before_the_swap"
)
FASTER_WINS = "tests/catalog/lake/test_commit.py::test_of_two_with_one_plan_the_faster_wins"
EVERY_INTERLEAVING = "tests/benchmarks/faults/test_model.py::test_every_interleaving_keeps_every_promise"
PLANNING, ORDER = "tests/actors/sequencer/test_planning.py", "tests/actors/sequencer/test_order.py"
FIRST_WINS = "tests/benchmarks/faults/test_first_wins.py"
RESTARTED = "tests/actors/sequencer/test_restarts.py::test_nothing_is_decided_with_less_memory"
DEDUP, TIMELINE = "tests/actors/dedup/test_dedup.py", "tests/actors/dedup/test_timeline.py"
ATTACKS = "tests/serve_apps/query/test_attacks.py"
REFUSED, HARMLESS = f"{ATTACKS}::test_is_refused_by_the_guard[", f"{ATTACKS}::test_gives_nothing_away[duckdb-"
DOOR, INFLATE = "tests/serve_apps/ingest/test_api.py", "tests/serve_apps/ingest/test_inflate.py"
BOMB = f"{INFLATE}::test_a_bomb_is_stopped_before_it_is_made"
TOO_MANY = "tests/serve_apps/ingest/test_framing.py::test_more_than_may_be_is_refused_as_a_whole"
STREAM = "tests/serve_apps/query/test_commits.py"
COMPUTES = "tests/serve_apps/query/engine/test_suite.py::test_computes_as_trino_does"
REDACT = "tests/pipelines/stages/test_redact.py"

LIVE, FILES = "catalog/log/live.py", "catalog/log/files.py"
STORE, COMMIT, UPKEEP = "catalog/lake/store.py", "catalog/lake/commit.py", "catalog/lake/upkeep.py"
GUARD, INGEST = "serve_apps/query/guard.py", "serve_apps/ingest"
PROXY, PROXY_FILE = "tests/cluster/supervisor/test_proxy.py", "cluster/supervisor/haproxy.cfg"
SEQUENCER, MEMORY = "actors/sequencer/sequencer.py", "actors/dedup/dedup.py"

SYNC_A_GROUP = "        os.fdatasync(self._fd)\n"

MUTANTS = (
    Mutant(
        "no fsync",
        "a group is acknowledged without being synced",
        (Edit(LIVE, SYNC_A_GROUP, ""),),
        (
            SYNCED_FIRST,
            f"{LOCAL}::test_a_failed_sync_is_never_tried_again_on_the_same_file",
            LOG_CUT,
        ),
    ),
    Mutant(
        "no tombstone",
        "a deleted segment of an object store leaves every one of its names free",
        (Edit("catalog/log/objects.py", "self._objects.delete(keys[:-1])", "self._objects.delete(keys)"),),
        (
            f"{OBJECTS}::test_a_writer_whose_segment_was_taken_over_is_told_and_begins_another[deleted]",
            f"{OBJECTS}::test_deleting_leaves_a_tombstone_and_a_later_deletion_removes_it",
        ),
    ),
    Mutant(
        "trust for ever",
        "a writer goes on in a segment whose tombstone may be gone",
        (Edit("catalog/log/grown.py", "- self.opened_s >= TRUSTED_S", "- self.opened_s >= 1e12"),),
        (
            f"{OBJECTS}::test_after_the_tombstone_is_gone_no_writer_trusts_its_segment",
            f"{OBJECTS}::test_between_groups_the_same_holds",
        ),
    ),
    Mutant(
        "taken is ours",
        "a writer does not look whose group has the name it wanted",
        (Edit("catalog/log/grown.py", "return objects.get(key) == content", "return True"),),
        (f"{OBJECTS}::test_a_writer_whose_segment_was_taken_over_is_told_and_begins_another[sealed]",),
    ),
    Mutant(
        "no directory fsync",
        "the names of segments and of the tables' files are never synced",
        (Edit("catalog/durable.py", "        os.fsync(fd)\n", "        pass\n"),),
        (SYNCED_FIRST, LOG_CUT, DURABLE_BEFORE_SWAP, LAKE_CUT),
    ),
    Mutant(
        "lazy fsync",
        "a group is synced only when the last sync is two seconds old",
        (
            Edit(
                LIVE,
                SYNC_A_GROUP,
                '        now_s = __import__("time").monotonic()\n'
                '        if now_s - getattr(self, "synced_s", -2.0) >= 2.0:\n'
                "            self.synced_s = now_s\n"
                "            os.fdatasync(self._fd)\n",
            ),
        ),
        (SYNCED_FIRST, LOG_CUT),
    ),
    Mutant(
        "stock file I/O in the lake",
        "tables are written by the library's own file I/O",
        (
            Edit(
                "catalog/lake/fileio.py",
                '        if scheme != "file":\n            return SentFile(',
                "        if True:\n            return PyArrowFile(",
            ),
        ),
        (DURABLE_BEFORE_SWAP, LAKE_CUT),
    ),
    Mutant(
        "no lock",
        "a segment's lock is always granted",
        (Edit(FILES, "        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "        pass\n"),),
        (
            "tests/catalog/log/test_suite.py::test_a_living_writer_is_not_taken_over",
            "tests/catalog/log/test_timelines.py"
            "::test_a_stopped_writer_keeps_its_segment_and_wakes_to_tell_the_truth",
            "tests/benchmarks/faults/test_stopped_writer.py"
            "::test_nobody_takes_over_and_receipts_stay_true[log.published-woken]",
        ),
    ),
    Mutant(
        "no lock, lease",
        "a second sequencer never waits for the first",
        (
            Edit(
                "actors/sequencer/lease.py",
                "            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "            pass\n",
            ),
        ),
        ("tests/actors/sequencer/test_lease.py::test_the_second_waits_and_may_give_up",),
    ),
    Mutant(
        "library retry left on",
        "the library repeats a refused commit on top of whoever was faster",
        (
            Edit(STORE, "COMMIT_NUM_RETRIES_DEFAULT = 0\n", "COMMIT_NUM_RETRIES_DEFAULT = 4\n"),
            Edit(STORE, 'COMMIT_NUM_RETRIES] = "0"\n', 'COMMIT_NUM_RETRIES] = "4"\n'),
        ),
        (
            f"{FASTER_WINS}[files-commit.staged-rows]",
            "tests/catalog/lake/test_store.py::test_the_self_test_passes_and_leaves_nothing",
        ),
    ),
    Mutant(
        "property-only commit",
        "a plan without rows is committed by its properties alone, and nothing refuses that",
        (
            Edit(
                COMMIT,
                "            append.commit()\n",
                "            if rows.num_rows: append.commit()\n",
            ),
            Edit(
                "catalog/lake/swap.py",
                '        raise UnsafeStore("a commit that adds no snapshot is not guarded by the catalog")\n',
                "        pass\n",
            ),
        ),
        (
            f"{FASTER_WINS}[files-commit.staged-empty]",
            "tests/catalog/lake/test_commit.py::test_properties_alone_are_not_guarded_and_are_refused",
        ),
    ),
    Mutant(
        "dedup that sees entries >= n",
        "deciding plan n again finds what deciding it before left",
        (
            Edit(MEMORY, "        self.drop(n)\n        self._expect", "        self._expect"),
            Edit(
                MEMORY,
                "        known = self._memory.digests(list(set(keys)))\n",
                "        known = self._memory.digests(list(set(keys)))\n"
                "        for row in self._pending[1].to_pylist() if self._pending else ():\n"
                '            known[bytes.fromhex(row["event_id"])] = bytes.fromhex(row["payload_digest"])\n',
            ),
        ),
        (
            f"{DEDUP}::test_deciding_changes_nothing_that_a_second_decision_sees",
            f"{TIMELINE}::test_timeline[2-decided_not_committed]",
        ),
    ),
    Mutant(
        "dedup that sees entries >= n, committed",
        "plan n is decided although the memory knows it or later ones",
        (Edit(MEMORY, "        if self.position().seq != seq:", "        if self.position().seq < seq:"),),
        (f"{TIMELINE}::test_a_plan_ahead_or_already_committed_is_refused",),
    ),
    Mutant(
        "checkpoint before commit",
        "the memory learns plan n, durably, before the table has it",
        (
            Edit(
                SEQUENCER,
                "        if not self._put(EVENTS.name, plan,",
                "        self._ports.memory.promote(plan.n, plan.chain)\n"
                "        self._ports.memory.checkpoint()\n"
                "        if not self._put(EVENTS.name, plan,",
            ),
        ),
        (f"{EVERY_INTERLEAVING}[alone, every fault]",),
    ),
    Mutant(
        "an actor that only reruns its constructor",
        "a restarted memory decides with what its checkpoint has, and the sequencer tells it nothing",
        (
            Edit(MEMORY, "        self.drop(n)\n        self._expect(n - 1)\n", "        self.drop(n)\n"),
            Edit(SEQUENCER, "        self._remember(head, forget_from=head.commit_seq + 1)\n", ""),
        ),
        (RESTARTED, f"{TIMELINE}::test_a_fresh_object_says_that_it_lost_its_memory"),
    ),
    Mutant(
        "an actor that only reruns its constructor, memory",
        "a restarted memory does not notice that it is behind",
        (Edit(MEMORY, "        self.drop(n)\n        self._expect(n - 1)\n", "        self.drop(n)\n"),),
        (RESTARTED, f"{TIMELINE}::test_a_fresh_object_says_that_it_lost_its_memory"),
    ),
    Mutant(
        "blind retry after an unknown error",
        "a commit whose answer was lost is repeated, and nobody looks at the table's commit_seq before",
        (
            Edit(
                SEQUENCER,
                "                self._look_again(table, plan, unknown)\n                return False\n",
                "                self._ports.lake.reconnect()\n",
            ),
            Edit(
                COMMIT,
                "            if is_committed(head, table, n, before):\n                return True\n",
                "",
            ),
        ),
        (
            "tests/benchmarks/faults/test_unknown_outcome.py"
            "::test_the_product_looks_before_it_repeats[commit.swapped]",
        ),
    ),
    Mutant(
        "reload through the same connection",
        "connections are pooled, and looking again goes through the one that failed",
        (
            Edit("catalog/sql.py", "create_engine(url, poolclass=NullPool, ", "create_engine(url, "),
            Edit(
                STORE,
                "        self._catalog.reconnect()\n",
                "        return\n",
            ),
        ),
        ("tests/catalog/lake/test_commit.py::test_a_refused_commit_is_not_read_back_as_done",),
    ),
    Mutant(
        "reload through the same connection, sequencer",
        "the sequencer looks again without reconnecting",
        (Edit(SEQUENCER, "        self._ports.lake.reconnect()\n", ""),),
        (f"{EVERY_INTERLEAVING}[alone, every fault]",),
    ),
    Mutant(
        "eviction while deciding",
        "the memory moves when plan n is decided, not when it is committed",
        (
            Edit(
                MEMORY,
                "        return Decision(rows, dict(",
                "        self._memory.learn(self._pending[1], self._memory.position)\n"
                "        return Decision(rows, dict(",
            ),
            Edit(
                MEMORY,
                "        self._memory.learn(self._pending[1], Position(n, chain))\n",
                "        self._memory._position = Position(n, chain)\n",
            ),
        ),
        (
            f"{DEDUP}::test_deciding_changes_nothing_that_a_second_decision_sees",
            f"{TIMELINE}::test_timeline[2-decided_not_committed]",
        ),
    ),
    Mutant(
        "orphan sweep by age",
        "files that nothing names are deleted when they are old enough, though a commit may still name them",
        (
            Edit(
                UPKEEP,
                "    listed = set(folder.listed())\n",
                '    old_s, stat = __import__("time").time() - grace_us / 1e6, __import__("os").stat\n'
                "    listed = {path for path in folder.listed() if stat(path).st_mtime <= old_s}\n",
            ),
            Edit(
                UPKEEP,
                '    swap(transaction, swapped="orphans.moved")\n',
                '    failpoints.hit("orphans.moved")\n',
            ),
        ),
        (
            "tests/catalog/lake/test_upkeep.py::TestOrphans"
            "::test_a_sleeper_never_wakes_to_missing_files[files-orphans.deleted-<lambda>-asleep0]",
        ),
    ),
    Mutant(
        "segment name used again",
        "a process gives all its segments one name",
        (Edit(FILES, 'f"seg-{secrets.token_hex(16)}"', 'f"seg-{os.getpid():032x}"'),),
        (f"{LOCAL}::test_a_segment_is_sealed_by_size",),
    ),
    Mutant(
        "create-then-lock",
        "a segment is listed from its creation on, and locked when its header is durable",
        (
            Edit(
                LIVE,
                "        hidden = files.hidden_path(self._root, self.name)\n",
                '        hidden = self._root / f"{self.name}{LIVE}"\n',
            ),
            Edit(
                LIVE,
                "        if not files.lock(self._fd):\n            raise NotDurable(",
                "        if False:\n            raise NotDurable(",
            ),
            Edit(
                LIVE,
                '        failpoints.hit("log.created")\n',
                '        failpoints.hit("log.created")\n'
                '        if not files.lock(self._fd):\n            raise NotDurable("locked")\n',
            ),
        ),
        (f"{LOCAL}::test_a_segment_is_locked_before_anybody_can_find_it", SYNCED_FIRST),
    ),
    Mutant(
        "amendment after one death",
        "one death in isolation blames an event",
        (Edit("actors/worker/isolate.py", "DEATHS_TO_BLAME = 2\n", "DEATHS_TO_BLAME = 1\n"),),
        ("tests/actors/worker/test_isolate.py::test_a_death_that_does_not_come_twice_is_not_blamed",),
    ),
    Mutant(
        "verify that trusts the ledger",
        "a ledger that balances is taken for the proof that nothing is missing",
        (
            Edit(
                "cluster/checks.py",
                "    table = read.table_ids(stores.lake())\n",
                "    if ledger_home(stores).balanced:\n"
                "        return Report(True, [], [], [], [], 0)\n"
                "    table = read.table_ids(stores.lake())\n",
            ),
        ),
        (
            "tests/benchmarks/faults/test_row_theft.py::test_exactly_what_was_taken_or_forged_is_named",
            "tests/benchmarks/faults/test_bit_flips.py::test_every_flip_is_seen_and_none_is_cut_away",
        ),
    ),
    Mutant(
        "published segment that comes back",
        "a segment whose file is there again after it was published is left there",
        (
            Edit(
                "pipelines/publish.py",
                "in self._plans.published((listed.keys() | self._stopped.keys()) - progress.keys()):",
                "in ():",
            ),
        ),
        ("tests/cluster/test_timeline.py::test_a_published_segment_whose_file_comes_back_is_removed_again",),
    ),
    Mutant(
        "curated table built from later commits",
        "a build takes rows of commits behind the one it says it was built from",
        (Edit("catalog/lake/read.py", 'found.filter(pc.field("plan") <= plan_to).select', "found.select"),),
        ("tests/pipelines/test_curate.py::test_rows_of_later_commits_wait_for_their_own_build",),
    ),
    Mutant(
        "joined clusters that stay apart",
        "an event between two clusters does not rebuild the days of their members",
        (Edit("pipelines/curate.py", "built + 1, seq)) | self._learned.joined", "built + 1, seq))"),),
        ("tests/pipelines/test_curate.py::test_a_bridge_joins_clusters_also_on_days_that_nobody_touched",),
    ),
    Mutant(
        "half of what was learned",
        "a curator goes on from a history that was not read to its end",
        (Edit("pipelines/curate.py", "        learned.head = None\n", ""),),
        ("tests/pipelines/test_curate.py::test_what_was_not_learned_to_its_end_is_forgotten",),
    ),
    Mutant(
        "a day's numbers of its own event date alone",
        "an event that lies under the date beside its local one does not change that day's numbers",
        (
            Edit(
                "pipelines/curate.py",
                "local = {each for day in days for each in _beside(day)} | self._learned.moved",
                "local = set(days) | self._learned.moved",
            ),
        ),
        ("tests/pipelines/test_kpis.py::test_a_local_day_is_counted_from_the_event_dates_around_it",),
    ),
    Mutant(
        "a table that is no served view",
        "the SQL guard lets a name through that names no view, in whatever schema",
        (
            Edit(
                GUARD,
                '        raise BadInput("no such view", hint="views: " + ", ".join(sorted(views)))\n',
                '        return ""\n',
            ),
        ),
        (
            f"{REFUSED}SELECT * FROM structured.events]",
            f"{REFUSED}SELECT * FROM compliance.complaints]",
            f"{REFUSED}SELECT * FROM information_schema.tables]",
        ),
    ),
    Mutant(
        "a table function let through",
        "functions are on the list of what a query may be made of, and may stand for a table",
        (
            Edit(
                "serve_apps/query/allowed.py",
                "NODES = STRUCTURE | FUNCTIONS\n",
                "NODES = STRUCTURE | FUNCTIONS | {exp.Anonymous, exp.ReadParquet}\n",
            ),
            Edit(
                GUARD,
                '    _require(isinstance(table.this, exp.Identifier), "only views can be read")\n',
                '    if not isinstance(table.this, exp.Identifier):\n        return ""\n',
            ),
        ),
        (
            f"{REFUSED}SELECT * FROM read_parquet('WAREHOUSE/**/*.parquet')]",
            f"{REFUSED}SELECT * FROM duckdb_settings()]",
        ),
    ),
    Mutant(
        "a masked column through an alias",
        "an analyst's views have the keys of persons, and the answer blanks columns of their names",
        (
            Edit(
                "serve_apps/query/engine/base.py",
                "    if column.name not in grant.masked:\n",
                "    if True:\n",
            ),
            Edit(
                "serve_apps/query/engine/child.py",
                "    sink = pa.BufferOutputStream()\n",
                "    for at, name in enumerate(table.schema.names):\n"
                '        if name in ("customer_key", "account_key") and ask.role == "analyst":\n'
                "            table = table.set_column(at, name, pa.nulls(table.num_rows, pa.string()))\n"
                "    sink = pa.BufferOutputStream()\n",
            ),
        ),
        (f"{HARMLESS}WITH x AS (SELECT customer_key AS k FROM complaints) SELECT ]",),
    ),
    Mutant(
        "inflated bytes not counted",
        "a body may inflate to any size",
        (Edit(f"{INGEST}/inflate.py", "        size_bytes += len(piece)\n", ""),),
        tuple(f"{BOMB}[{how}-{coding}]" for how in ("by size", "by ratio") for coding in ("gzip", "zstd")),
    ),
    Mutant(
        "inflated bytes not counted, room",
        "what a body inflates to takes no room of what all bodies may have at once",
        (Edit(f"{INGEST}/inflate.py", "        take(len(piece))\n", ""),),
        (f"{INFLATE}::test_what_was_packed_comes_back_and_is_counted",),
    ),
    Mutant(
        "events of a batch not counted",
        "a batch may have any number of events",
        (
            Edit(f"{INGEST}/framing.py", '    if body.count(b"\\n") > most:\n', "    if False:\n"),
            Edit(f"{INGEST}/framing.py", "    if len(found) > most:\n", "    if False:\n"),
        ),
        tuple(
            f"{TOO_MANY}[{batch}]"
            for batch in ("lines", "blank lines", "array", "many commas", "lenient array")
        ),
    ),
    Mutant(
        "events of a batch not counted, quota",
        "a batch costs its source as much as one event",
        (
            Edit(
                f"{INGEST}/door.py",
                "            self._quotas.spend(sender.key.source, len(events))\n",
                "            self._quotas.spend(sender.key.source, 1)\n",
            ),
        ),
        (f"{DOOR}::test_a_source_that_sends_too_fast_is_told_to_wait",),
    ),
    Mutant(
        "a phone number left in the text",
        "telephone numbers are found and counted, and stay where they stand",
        (
            Edit(
                "pipelines/stages/redact.py",
                "    for each in found:\n        parts +=",
                '    for each in (one for one in found if one.kind != "phone"):\n        parts +=',
            ),
        ),
        (f"{REDACT}::test_by_example", f"{REDACT}::test_no_separators_hide_a_mobile_number"),
    ),
    Mutant(
        "a local time taken for UTC",
        "an event time without offset and zone is accepted",
        (
            Edit(
                "catalog/contracts/times.py",
                '        return "event_time_naive"\n',
                '        found = _moment(instant.replace(tzinfo=UTC) - EPOCH, timedelta(0), "")\n',
            ),
        ),
        tuple(
            f"tests/catalog/contracts/test_cases.py::test_case[{case}]"
            for case in ("plain: no offset and no zone", "social: local time", "web_form: local time")
        ),
    ),
    Mutant(
        "another source's event is answered",
        "a key is told the state of any event whose id it has",
        (
            Edit(
                f"{INGEST}/status.py",
                "        if found is not None and found.source == key.source:\n",
                "        if found is not None:\n",
            ),
        ),
        (f"{DOOR}::test_only_its_own_source_is_told_of_an_event[other-pending]",),
    ),
    Mutant(
        "a stale build",
        "a sequencer that was stopped builds the curated tables from an earlier commit again",
        (Edit("catalog/lake/rebuild.py", "    if _built_from(base) > seq:\n", "    if False:\n"),),
        ("tests/pipelines/test_curate.py::test_a_sequencer_that_was_stopped_takes_nothing_back",),
    ),
    Mutant(
        "a pseudonym key made anew",
        "a key that was lost is replaced, and every customer gets another pseudonym",
        (
            Edit(
                "catalog/bundle/store.py",
                '            if kept not in ("", bundle.key_id):\n',
                "            if False:\n",
            ),
        ),
        ("tests/catalog/bundle/test_store.py::test_a_key_made_anew_after_the_first_was_lost_is_refused",),
    ),
    Mutant(
        "a raw file written over",
        "publishers of two versions write under one name",
        (Edit("catalog/raw.py", "{segment}.{digest[:16]}.ndjson.zst", "{segment}.ndjson.zst"),),
        ("tests/catalog/test_raw.py::test_a_rival_of_another_version_that_dies_halfway_spoils_nothing",),
    ),
    Mutant(
        "a raw file that nobody names",
        "what a publisher wrote that died stays, unredacted, for ever",
        (Edit("catalog/raw.py", "        self._objects.put(_note(ours), encoded)\n", ""),),
        (
            "tests/catalog/test_raw.py"
            "::test_what_a_publisher_left_that_died_stays_until_another_has_published",
            "tests/catalog/test_raw.py"
            "::test_a_publisher_that_dies_beside_a_published_segment_leaves_nothing_for_good",
        ),
    ),
    Mutant(
        "a raw frame written twice",
        "what was written to the raw layer is looked up by the segment's frames, not compared with them",
        (
            Edit(
                "pipelines/publish.py",
                "if written != list(frames) and not _is_from_before(written, frames):",
                "if len(written) < len(frames):",
            ),
        ),
        (
            "tests/cluster/test_timeline.py"
            "::test_a_frame_that_is_twice_in_the_raw_layer_is_seen_before_the_hot_copy_goes",
        ),
    ),
    Mutant(
        "a raw manifest written over",
        "a publisher that wakes after a rival names files that were removed since",
        (
            Edit(
                "catalog/raw.py",
                "if not self._objects.create(_manifest(segment), encoded) and self._is_damaged(segment):",
                "if True:",
            ),
        ),
        (
            "tests/catalog/test_raw.py"
            "::test_a_publisher_that_wakes_after_a_rival_names_nothing_and_leaves_nothing",
        ),
    ),
    Mutant(
        "a plan of any size",
        "bytes of a plan are not counted",
        (
            Edit(
                "actors/sequencer/planning.py",
                "            left_bytes -= cut.stops[-1] - cut.start\n",
                "",
            ),
        ),
        (f"{PLANNING}::test_a_plan_has_so_many_bytes_over_all_segments",),
    ),
    Mutant(
        "segments planned by name",
        "the order of segments is not that of acknowledgement",
        (
            Edit(
                "actors/sequencer/planning.py",
                "        return self._piece.stamps_us[self._at]\n",
                "        return 0\n",
            ),
            Edit(
                "actors/sequencer/planning.py",
                "stop = min(stop, bisect(piece.stamps_us, rival[0], at))",
                "stop = min(stop, bisect([0] * len(piece.stops), rival[0], at))",
            ),
        ),
        (
            f"{ORDER}::test_of_one_source_the_event_acknowledged_first_is_planned_first",
            f"{ORDER}::test_a_plan_may_go_to_and_fro_between_segments",
            f"{FIRST_WINS}::test_the_first_bytes_acknowledged_are_the_accepted_ones",
        ),
    ),
    Mutant(
        "no complaint since nobody judged it",
        "what was quarantined before it was judged is explained by its empty findings",
        (
            Edit(
                "serve_apps/query/explain.py",
                'return event["disposition"] != QUARANTINED or event["l2"] not in (None, UNCLASSIFIED)',
                "return True",
            ),
        ),
        (
            "tests/serve_apps/query/test_explain.py"
            "::test_what_was_held_back_unjudged_is_not_called_no_complaint",
        ),
    ),
    Mutant(
        "an old decision for a corrected record",
        "the report of a file looks a record up by its event id alone, which an earlier version has",
        (Edit("cluster/demo_report.py", "found = known.get(own_id) or in_force", "found = in_force"),),
        (
            "tests/cluster/test_demo.py"
            "::test_a_corrected_file_is_told_that_the_earlier_version_stays_in_force",
        ),
    ),
    Mutant(
        "texts that are no complaints in a cluster",
        "a cluster counts whatever text is nearly the same",
        (
            Edit(
                "serve_apps/query/views/clusters/3.sql",
                "WHERE cluster_id IS NOT NULL AND is_complaint",
                "WHERE cluster_id IS NOT NULL",
            ),
        ),
        (
            "tests/serve_apps/query/questions/test_questions.py"
            "::test_the_engine_answers_as_written[duckdb-top_clusters]",
        ),
    ),
    Mutant(
        "a commit left out of the stream",
        "of several commits between two looks only the last is read",
        (
            Edit(
                "serve_apps/query/feed.py",
                "partial(commits, after=self._seen, upto=upto)",
                "partial(commits, after=upto - 1, upto=upto)",
            ),
        ),
        (f"{STREAM}::test_what_was_missed_is_read_a_piece_at_a_time",),
    ),
    Mutant(
        "an original that nobody noted",
        "a read of the bytes as they were received leaves no line",
        (
            Edit(
                "serve_apps/query/api.py",
                "        await to_thread.run_sync(who.deps.note_read, who.key.key_id, event_id)",
                "        pass",
            ),
        ),
        (
            "tests/serve_apps/query/test_api.py::test_who_reads_an_original_is_noted_before_they_see_it[duckdb]",
        ),
    ),
    Mutant(
        "all queries of a key at once",
        "a key may have every query process",
        (
            Edit(
                "serve_apps/query/api.py",
                "unless_gone(request, self._turns.run(key.key_id, begin))",
                "unless_gone(request, begin())",
            ),
        ),
        ("tests/serve_apps/query/test_turns.py::test_six_slow_queries_of_one_key_harm_nobody_else",),
    ),
    Mutant(
        "decimals divided as doubles",
        "the embedded engine gives digits that Trino does not",
        (Edit("serve_apps/query/engine/dialect.py", "            exp.Div: _divided,\n", ""),),
        (f"{COMPUTES}[duckdb-False]",),
    ),
    Mutant(
        "one look at the ends",
        "what is published while the ends are read is planned before what was acknowledged earlier",
        (
            Edit(
                "actors/sequencer/planning.py",
                "        waiting = self._look()\n        given_up",
                "        waiting = first\n        given_up",
            ),
        ),
        (f"{ORDER}::test_what_comes_while_the_ends_are_read_comes_in_order[1]",),
    ),
    Mutant(
        "segments decide between bytes",
        "of one id in one plan the bytes in the segment that is named first are the event",
        (
            Edit(
                MEMORY,
                "in enumerate(zip(keys, digests, strict=True)):",
                "in sorted(enumerate(zip(keys, digests)), key=lambda at: batch['segment'][at[0]].as_py()):",
            ),
        ),
        (f"{DEDUP}::test_of_one_id_the_first_row_is_the_event_whatever_its_segment",),
    ),
    Mutant(
        "refused from memory",
        "a replica that took other bytes refuses those that another one acknowledged first",
        (
            Edit(
                f"{INGEST}/door.py",
                "return found is not None and found.received_at == to_datetime(received_us)",
                "return True",
            ),
        ),
        (f"{DOOR}::test_the_same_id_for_other_bytes_is_told_once_it_is_certain",),
    ),
    Mutant(
        "stored though refused",
        "what waits behind a flush that hangs is written after its sender was told to send it again",
        (
            Edit(
                "catalog/log/writer.py",
                "kept = [one for one in self._queue if one is not waiting]",
                "kept = self._queue",
            ),
        ),
        (
            "tests/catalog/log/test_writer.py"
            "::test_nobody_waits_for_a_flush_that_hangs_and_what_waits_behind_it_is_not_written",
        ),
    ),
    Mutant(
        "shared port",
        "two proxies that listen on one port each get a part of its clients",
        (Edit(PROXY_FILE, "    noreuseport\n", ""),),
        (f"{PROXY}::test_a_second_one_on_a_held_port_does_not_start",),
    ),
    Mutant(
        "one key for all",
        "a key may have as much under way as it likes",
        (
            Edit(
                PROXY_FILE,
                "    http-request deny deny_status 429 if { sc_conn_cur(1) gt $requests_of_one_key }\n",
                "",
            ),
        ),
        (f"{PROXY}::test_a_key_with_too_much_under_way_is_refused_and_others_are_not",),
    ),
    Mutant(
        "first come",
        "of those that wait at the proxy a quiet key goes behind a loud one",
        (Edit(PROXY_FILE, "    http-request set-priority-class sc_conn_cur(1)\n", ""),),
        (f"{PROXY}::test_of_those_that_wait_a_quiet_key_goes_first",),
    ),
    Mutant(
        "Serve's own words",
        "what Serve says by itself reaches the client: its 404 and 500, without a problem document",
        (Edit(PROXY_FILE, "{ status 404 408 499 500:599 }", "{ status 599 }"),),
        (f"{PROXY}::test_what_the_server_says_in_its_own_words_becomes_an_answer_that_clients_know",),
    ),
    Mutant(
        "a stopped process stays",
        "a process of the product that a signal stopped is not seen",
        (Edit("cluster/supervisor/processes.py", 'each.info["status"] == psutil.STATUS_STOPPED', "False"),),
        ("tests/cluster/supervisor/test_processes.py::test_a_stopped_process_is_seen",),
    ),
    Mutant(
        "open to the network",
        "the doctor finds nothing in a port that answers other machines without a credential",
        (Edit("cluster/doctor.py", "if TOKEN not in each.credential", "if not each.credential"),),
        ("tests/cluster/test_doctor.py::test_what_answers_other_machines_without_a_credential_is_a_finding",),
    ),
    Mutant(
        "waits for ever",
        "a server that does not stop when told holds up `stack down`",
        (
            Edit(
                "cluster/stack/lifecycle.py",
                "            found.send(stop.ended)\n            found.send(SIGCONT)\n",
                "            pass\n",
            ),
        ),
        ("tests/cluster/stack/test_lifecycle.py::test_one_that_does_not_stop_is_ended[seaweed]",),
        hangs=True,
    ),
)
