from pathwarden.model.probe import Binding
from pathwarden.net.rules import Rule, leading, line_to_add

OWN = ("192.0.2.7", "10.0.0.7")


def lead(rules, own=OWN, **binding):
    return leading(rules, Binding(table=5, **binding), own)


def test_a_rule_to_another_table_leads_nowhere():
    assert lead([Rule(6)]) is None
    assert lead([]) is None


def test_a_rule_without_conditions_asks_for_nothing():
    assert lead([Rule(5)]) == Binding(table=5)


def test_the_first_rule_that_can_be_met_is_taken():
    rules = [Rule(5, source="203.0.113.0/24"), Rule(5, fwmark=0x100, fwmask=0xFF00), Rule(5, device="wanb")]
    assert lead(rules) == Binding(table=5, fwmark=0x100)
    assert lead(rules, own=("203.0.113.9",)) == Binding(address="203.0.113.9", table=5)


def test_what_the_binding_says_is_kept():
    mark = [Rule(5, fwmark=0x100, fwmask=0xFF00)]
    assert lead(mark, fwmark=0x177) == Binding(table=5, fwmark=0x177)
    assert lead(mark, fwmark=0x277) is None
    assert lead([Rule(5, device="wanb")], device="wanb") == Binding(device="wanb", table=5)
    assert lead([Rule(5, device="wanb")], device="wan") is None
    assert lead([Rule(5, source="10.0.0.0/8")], address="10.1.1.1") == Binding(address="10.1.1.1", table=5)
    assert lead([Rule(5, source="10.0.0.0/8")], address="192.0.2.7") is None


def test_an_own_address_inside_the_prefix_becomes_the_source():
    assert lead([Rule(5, source="10.0.0.0/8")]) == Binding(address="10.0.0.7", table=5)
    assert lead([Rule(5, source="fd00::/8")]) is None


def test_a_mark_of_zero_under_a_mask_must_stay_zero():
    rules = [Rule(5, fwmark=0, fwmask=0xFF)]
    assert lead(rules) == Binding(table=5)
    assert lead(rules, fwmark=1) is None


def test_the_command_that_adds_a_rule():
    assert line_to_add(Binding(table=5), 4) == "ip rule add fwmark 5 lookup 5"
    assert line_to_add(Binding(table=5, fwmark=9), 6) == "ip -6 rule add fwmark 9 lookup 5"
    assert line_to_add(Binding(table=5, address="10.0.0.7", device="x"), 4) == "ip rule add from 10.0.0.7 lookup 5"
    assert line_to_add(Binding(table=5, device="wanb"), 4) == "ip rule add oif wanb lookup 5"
