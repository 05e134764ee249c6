"""What is known of all paths, and what must be asked next: MDA-Lite, and the whole MDA where that does not hold.

Rules, for each hop, in this order; a hop is decided anew when nothing is on its way to it or the hop before:
1. A flow that got no answer is asked again, at most `TRIES` times in all, if the hop answers any flow.
2. A flow that ended at a ttl was there only if it did not end before.
3. Hop rule (MDA-Lite, Vermeulen et al., IMC 2018): flows, those of the hop before first, until the stopping point for one more vertex;
   where flows part already, also until a quarter of them, or half of those of a vertex before, would be seen to go elsewhere.
4. Edges: each vertex has a flow known at both ends, but for the only way there; where two hops with several vertices meet, two flows
   (the meshing test).
5. Where flows part the same flows are asked again: another answer means a balancer per packet. Its flows say nothing about edges, so
   there the hop rule is all.
6. Branches that cross, or that differ in successors or in length, break the hop rule's supposition: from there to the next single
   vertex each vertex of the hop before has its own stopping rule (node control, MDA).
7. Silence is a vertex where nobody answers, or where more flows stay silent than loss explains; but not beside the target's own answers,
   since hosts limit their unreachables (Linux: 6 at once, then one a second), and not at a hop that was given up (rule 9).
   Where few flows stay silent, more are asked until silence that is a vertex would have shown itself.
8. The accepted probability of one wrong stop is what keeps the whole below the stated one: it is shared between the branchings found and
   one more. Only a true branching can be missed. With all but one of B found, each had the share of B; with j more missed at once, the
   probability is of the order of the stated one's power j, which `Search` takes off beforehand. A branching is a hop under the hop
   rule, a vertex where each has its own.
9. A hop that left more than half unanswered is asked no more at once than it answered then: so a router's limit costs time rather than
   probes. One that misses answers too often is given up, and the search then is not complete.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby, islice
from operator import itemgetter

from pathwarden.engine.multipath_hop import BY_CHANCE, HopState
from pathwarden.engine.stopping import branch_point, per_decision, repeats, sightings_point, stopping_point
from pathwarden.model.multipath import SHOWN
from pathwarden.model.probe import ReplyKind

MESHING_FLOWS = 2  # per member, as MDA-Lite's authors chose
PATIENCE = 4  # unanswered probes of a hop per flow that it needs: four of five may be lost, or three of four vertices be silent
CLIMB_AHEAD = 3  # probes of flow 0 on their way at once: each may be wasted beyond the target, but silent hops then cost less time
SILENCE = ""  # as a vertex; no address is empty

Want = tuple[int, int]  # ttl, flow number


class Search:
    """The state of a search. Note each answer, each silence and each probe on its way; `wants` then says what to ask.

    `failure` (0..1, neither end) is the accepted probability that the graph lacks something, `single` that of one wrong stop as things
    are known now; `flows` is how many flows there are.
    """

    def __init__(self, failure: float, first_ttl: int, max_ttl: int, gap_limit: int, flows: int) -> None:
        self._failure = failure * (1 - failure)  # rule 8: for two missed at once
        self.single = per_decision(self._failure, 1)
        self.first_ttl = first_ttl
        self.hops: dict[int, HopState] = {}
        self.ended: dict[int, int] = {}
        self._groups: dict[int, dict[str, list[int]]] = {}  # what `groups` found since something happened
        self.last_ttl = first_ttl - 1
        self._max_ttl = max_ttl
        self._gap_limit = gap_limit or max_ttl
        self._flows = flows
        self._climbing = True

    # -- what happened

    def note_asked(self, ttl: int, flow: int) -> None:
        """A probe is on its way, or in line."""
        hop = self.hops[ttl]
        self._groups.clear()
        hop.pending += 1
        hop.round_asked += 1
        if flow in hop.answer:
            hop.again += 1
        else:
            hop.asked[flow] = hop.asked.get(flow, 0) + 1

    def note_silence(self, ttl: int) -> None:
        """A probe's time is over."""
        hop = self.hops[ttl]
        self._groups.clear()
        hop.pending -= 1
        hop.misses += 1
        hop.round_missed += 1

    def note_answer(self, ttl: int, flow: int, who: str, rtt_ns: int, kind: tuple[ReplyKind, int, int]) -> None:
        """Who answered, with the reply's kind, ICMP type and code."""
        hop = self.hops[ttl]
        self._groups.clear()
        hop.pending -= 1
        if flow not in hop.answer:
            hop.answer[flow] = who
        elif hop.answer[flow] == who:
            hop.matches += 1
        else:
            hop.per_packet = True
        if len(hop.rtts[who]) < SHOWN:
            hop.rtts[who].append(rtt_ns)
        hop.kinds[who] = kind
        if kind[0] is not ReplyKind.TIME_EXCEEDED:
            self.ended[flow] = min(ttl, self.ended.get(flow, ttl))

    # -- what is known

    def groups(self, ttl: int) -> dict[str, list[int]]:
        """The vertices of a ttl with the flows seen there; silence is one if it says something. The source is one, before the first ttl."""
        known = self._groups.get(ttl)
        if known is None:
            known = self._groups[ttl] = self._find_groups(ttl)
        return known

    def _find_groups(self, ttl: int) -> dict[str, list[int]]:
        groups: dict[str, list[int]] = {}
        hop = self.hops.get(ttl)
        if hop is None:
            return groups
        unsure = self._unconfirmed(ttl)
        ended = self.ended
        for flow, who in hop.answer.items():
            end = ended.get(flow)
            if end is None or end > ttl or (end == ttl and flow not in unsure):
                groups.setdefault(who, []).append(flow)
        silent = [flow for flow in hop.silent_flows() if ended.get(flow, ttl) >= ttl]
        if silent:
            groups[SILENCE] = silent
        return groups

    def going(self, ttl: int) -> dict[str, list[int]]:
        """The vertices of a ttl with the flows that go on from there."""
        live = {who: [flow for flow in flows if self.ended.get(flow, ttl + 1) > ttl] for who, flows in self.groups(ttl).items()}
        return {who: flows for who, flows in live.items() if flows}

    def _placed(self, ttl: int) -> set[int]:
        """The flows whose vertex at a ttl is known."""
        return {flow for flows in self.groups(ttl).values() for flow in flows}

    def links(self, ttl: int) -> dict[tuple[str, str], list[int]]:
        """The edges from one ttl to the next, with their flows.

        Flows tell none between two hops of which one is balanced per packet; a vertex alone is everybody's neighbour all the same. A
        vertex from which all flows go on needs no flow known at both ends.
        """
        near, far = self.going(ttl), self.groups(ttl + 1)
        if self._per_packet(ttl) or self._per_packet(ttl + 1):
            if len(near) > 1 and len(far) > 1:
                return {}
            return {(one, other): near[one] if len(near) > 1 else far[other] for one in near for other in far}
        if len(near) == 1:
            return {(one, other): flows for one in near for other, flows in far.items()}
        at = {flow: who for who, flows in far.items() for flow in flows}
        links: dict[tuple[str, str], list[int]] = {}
        for who, flows in near.items():
            for flow in flows:
                if flow in at:
                    links.setdefault((who, at[flow]), []).append(flow)
        return links

    def _per_packet(self, ttl: int) -> bool:
        hop = self.hops.get(ttl)
        return hop is not None and hop.per_packet

    def _unconfirmed(self, ttl: int) -> set[int]:
        """Flows that ended at this ttl and may have ended before (rule 2)."""
        before = self.hops.get(ttl - 1)
        if before is None:
            return set()
        sure = before.answer.keys() | before.silent_flows()
        return {flow for flow, end in self.ended.items() if end == ttl and flow not in sure}

    # -- what to ask

    def wants(self) -> list[Want]:
        """What to ask now, each at most once; [] while answers are awaited that decide, and at the end."""
        if self._climbing:
            step = self._climb()
            if self._climbing:
                return step
        self._open_more()
        self.single = per_decision(self._failure, sum(self._branchings(hop) for hop in self.hops.values()) + 1)
        wants: dict[Want, None] = {}
        before: HopState | None = None
        decided = True  # whether the hop before is, so that it can be compared with this one
        for ttl in range(self.first_ttl, self.last_ttl + 1):
            hop = self.hops[ttl]
            if before is not None and not self.going(before.ttl):
                break
            asks: list[Want] = []
            if not hop.pending and not (before and before.pending):
                asks = self._alone(hop, before) or (self._compared(hop, before) if decided else [])
            decided = decided and not asks and not hop.pending
            wants.update(dict.fromkeys(asks))
            before = hop
        return self._paced(wants)

    def _paced(self, wants: Iterable[Want]) -> list[Want]:
        """Rule 9; and each hop that is asked begins another round."""
        paced: list[Want] = []
        for ttl, of_hop in groupby(sorted(wants), key=itemgetter(0)):
            hop = self.hops[ttl]
            paced += islice(of_hop, hop.allowance())
            hop.round_asked = hop.round_missed = 0
        return paced

    def _climb(self) -> list[Want]:
        """Flow 0 goes first, from ttl to ttl, to learn how far it is: later all hops are asked side by side, in random order."""
        pending = sum(hop.pending for hop in self.hops.values())
        limit = min(self._max_ttl, self._top() + self._gap_limit)
        if 0 in self.ended or self.last_ttl >= limit:
            self._climbing = pending > 0
            return []
        return [(self._open(), 0) for _ in range(min(CLIMB_AHEAD - pending, limit - self.last_ttl))]

    def _open(self) -> int:
        self.last_ttl += 1
        self._groups.pop(self.last_ttl, None)
        self.hops[self.last_ttl] = HopState(self.last_ttl)
        return self.last_ttl

    def _open_more(self) -> None:
        """Beyond where flow 0 ended other flows may go on."""
        if self.last_ttl < min(self._max_ttl, self._top() + self._gap_limit):
            last = self.hops[self.last_ttl]
            if not last.pending and self.going(self.last_ttl):
                self._open()

    def _top(self) -> int:
        """The largest ttl that answered."""
        return max((ttl for ttl, hop in self.hops.items() if hop.answer), default=self.first_ttl - 1)

    def _alone(self, hop: HopState, before: HopState | None) -> list[Want]:
        """What a hop needs by itself."""
        return self._unsettled(hop, before) or self._hop_rule(hop, before)

    def _compared(self, hop: HopState, before: HopState | None) -> list[Want]:
        """What a hop needs beside the one before, once both have their vertices."""
        return self._edges(hop, before) or self._repeats(hop, before) or self._node_control(hop, before)

    def _unsettled(self, hop: HopState, before: HopState | None) -> list[Want]:
        """Rules 1 and 2."""
        if hop.answer and hop.misses > PATIENCE * max(len(hop.answer), stopping_point(2, self.single)):
            hop.given_up = True
            self._groups.clear()
        wants = []
        if not hop.given_up:
            wants = [(hop.ttl, flow) for flow in hop.asked if not hop.known(flow) and self.ended.get(flow, hop.ttl) >= hop.ttl]
        if before is not None:
            ends = (flow for flow in hop.answer if self.ended.get(flow) == hop.ttl and not before.known(flow))
            wants += [(before.ttl, flow) for flow in ends]
        return wants

    def _hop_rule(self, hop: HopState, before: HopState | None) -> list[Want]:
        """Rule 3."""
        if before is not None and not before.per_packet and self._uneven_ends(before):
            hop.by_vertex = True
        if hop.by_vertex:
            return []
        groups = self.groups(hop.ttl)
        width = max(len(groups.keys() - {SILENCE}), 1)
        needed = stopping_point(width + 1, self.single)
        if width > 1:
            members = len(self.going(before.ttl)) if before is not None else 1
            needed = max(needed, branch_point(max(members, 2), self.single))
        counted = sum(len(flows) for who, flows in groups.items() if who or not hop.answer)
        silent = hop.unanswered() if hop.answer and SILENCE not in groups else []
        if silent:
            counted += len(silent)
            needed = max(needed, sightings_point(width + 1, BY_CHANCE + 1, self.single))
        return self._fresh(hop, needed - counted)

    def _uneven_ends(self, hop: HopState) -> bool:
        """Whether some flows end at this hop, or ended before, and others go on."""
        return bool(self.going(hop.ttl)) and any(end <= hop.ttl for end in self.ended.values())

    def _fresh(self, hop: HopState, count: int) -> list[Want]:
        """So many flows that this hop was not asked about yet."""
        if count <= 0 or hop.given_up:
            return []
        flows: list[Want] = []
        for flow in range(self._flows):
            if flow not in hop.asked and self.ended.get(flow, hop.ttl) >= hop.ttl:
                flows.append((hop.ttl, flow))
                if len(flows) == count:
                    return flows
        hop.out_of_flows = True
        return flows

    def _edges(self, hop: HopState, before: HopState | None) -> list[Want]:
        """Rule 4."""
        if before is None or hop.per_packet or before.per_packet:
            return []
        near, far = self.going(before.ttl), _visible(self.groups(hop.ttl))
        count = MESHING_FLOWS if len(_visible(near)) > 1 and len(far) > 1 else 1
        wants, lacking = [], {before: 0, hop: 0}
        sides = [(near, before, hop)] if len(near) == 1 else [(near, before, hop), (far, hop, before)]
        for groups, here, there in sides:
            placed = self._placed(there.ttl)
            for who, flows in groups.items():
                lack = count - sum(flow in placed for flow in flows)
                unknown = [] if there.given_up else [flow for flow in flows if not there.known(flow)][: max(lack, 0)]
                wants += [(there.ttl, flow) for flow in unknown]
                if who:  # more flows through silence cost `TRIES` probes each
                    lacking[here] += max(lack - len(unknown), 0)
        for here, lack in lacking.items():
            wants += self._fresh(here, lack)
        return wants

    def _repeats(self, hop: HopState, before: HopState | None) -> list[Want]:
        """Rule 5."""
        if before is not None and before.per_packet:
            hop.per_packet = len(self.groups(hop.ttl)) > 1
        parting = self._parting(hop)
        if hop.per_packet or not parting:
            return []
        most = max(len(successors) for successors in parting.values())
        needed = repeats(most, self.single)
        lack = needed - hop.matches
        if lack <= 0 or hop.again >= PATIENCE * needed:
            return []
        flows = [flow for successors in parting.values() for of in successors.values() for flow in of]
        return [(hop.ttl, flows[(hop.again + number) % len(flows)]) for number in range(min(lack, len(flows)))]

    def _parting(self, hop: HopState) -> dict[str, dict[str, list[int]]]:
        """The vertices of the hop before from which flows go to several vertices of this one, and those."""
        far = _visible(self.groups(hop.ttl))
        if hop.ttl == self.first_ttl:
            return {SILENCE: far} if len(far) > 1 else {}
        parting: dict[str, dict[str, list[int]]] = {}
        for (near, one), flows in self.links(hop.ttl - 1).items():
            if one:
                parting.setdefault(near, {})[one] = flows
        return {near: successors for near, successors in parting.items() if len(successors) > 1}

    def _branchings(self, hop: HopState) -> int:
        """How many decisions to stop found several next hops before this hop (rule 8)."""
        if hop.per_packet or hop.ttl == self.first_ttl:
            return int(len(self.groups(hop.ttl)) > 1)
        onward = Counter(near for near, _ in self.links(hop.ttl - 1))
        several = sum(successors > 1 for successors in onward.values())
        return several if hop.by_vertex else min(several, 1)

    def _node_control(self, hop: HopState, before: HopState | None) -> list[Want]:
        """Rule 6."""
        if before is None or hop.per_packet or before.per_packet:
            return []
        self._compare_branches(hop, before)
        if not hop.by_vertex:
            return []
        wants, lacking = [], 0
        successors: dict[str, int] = defaultdict(int)
        for near, far in self.links(before.ttl):
            successors[near] += far != SILENCE
        placed = self._placed(hop.ttl)
        for who, flows in self.going(before.ttl).items():
            lack = stopping_point(max(successors[who], 1) + 1, self.single) - sum(flow in placed for flow in flows)
            unknown = [] if hop.given_up else [flow for flow in flows if not hop.known(flow)][: max(lack, 0)]
            wants += [(hop.ttl, flow) for flow in unknown]
            lacking += max(lack - len(unknown), 0)
        return wants + self._fresh(before, lacking)

    def _compare_branches(self, hop: HopState, before: HopState) -> None:
        """Find out whether the branches between two hops cross or differ."""
        near, far = _visible(self.going(before.ttl)), _visible(self.groups(hop.ttl))
        if len(near) > 1 and len(far) > 1:
            links = [link for link in self.links(before.ttl) if all(link)]
            out = [sum(link[0] == who for link in links) for who in near]
            into = [sum(link[1] == who for link in links) for who in far]
            # Where branches widen, two predecessors show a crossing; where they narrow, two successors do.
            hop.meshed = max(into if len(near) < len(far) else out if len(near) > len(far) else into + out) > 1
            hop.asymmetric = not hop.meshed and (len(set(out)) > 1 or len(set(into)) > 1)
        inherited = before.by_vertex and len(self.going(before.ttl)) > 1
        hop.asymmetric |= self._uneven_ends(before)
        hop.by_vertex |= hop.meshed or hop.asymmetric or inherited


def _visible(groups: dict[str, list[int]]) -> dict[str, list[int]]:
    return {who: flows for who, flows in groups.items() if who}
