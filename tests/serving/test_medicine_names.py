"""Other names of the medicines: brands, names adopted elsewhere, and Chinese ones."""

from __future__ import annotations

import pytest
import yaml
from langchain_core.messages import HumanMessage

from corpora.bundled.knowledge import load_knowledge
from serving.medicine_names import FILE, usual_name
from serving.reference import check_interactions, known_medicines, look_up
from serving.retrieval import passage_index
from serving.router import route

CONTENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
OTHERS = [str(other).lower() for others in CONTENT["names"].values() for other in others]
FACTS = {
    name.lower()
    for one in load_knowledge().medicines
    for name in (one.name, *(pair.agent for pair in one.interactions))
}


def test_each_name_is_of_one_thing_that_the_facts_name():
    assert {str(name).lower() for name in CONTENT["names"]} <= FACTS
    assert len(set(OTHERS)) == len(OTHERS)
    assert FACTS.isdisjoint(OTHERS)


def test_every_medicine_has_a_chinese_name():
    without = [
        one.name
        for one in load_knowledge().medicines
        if not any("\u3400" <= sign <= "\u9fff" for other in CONTENT["names"].get(one.name, ()) for sign in str(other))
    ]
    assert without == []


def test_the_documentation_tells_their_number():
    page = FILE.parents[1] / "docs" / "assistant.md"
    assert f" {len(OTHERS):,} other names are known" in page.read_text(encoding="utf-8")


def test_each_exception_holds_a_name_and_is_read_as_none():
    for name in (str(name) for names in CONTENT["not_these"] for name in names):
        assert any(other in name for other in [*OTHERS, *FACTS]), name
        assert known_medicines(f"我在用{name}。") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I take Coumadin and Advil", ["warfarin", "ibuprofen"]),
        ("我在吃华法林，能吃布洛芬吗", ["warfarin", "ibuprofen"]),
        ("他吃Lasix和地高辛", ["furosemide", "digoxin"]),
        ("甘精胰岛素", ["insulin glargine"]),
        ("acetaminophen overdose, no Tylenols", ["paracetamol"]),
        ("the coumadinic inhabitants", []),
        ("病情安定，去甲肾上腺素", []),
        ("快速尿素酶试验阳性，正在用达菲林和氯硝安定片", []),
        ("螺内酯加速尿20mg；打肾上腺素能救命吗", ["spironolactone", "furosemide", "adrenaline"]),
        ("胰高血糖素样肽-1受体激动剂，三磷酸腺苷，多索茶碱，丙酚替诺福韦", []),
        ("甲红霉素和金达克宁", ["clarithromycin", "ketoconazole"]),
        ("luminal A cancer, an APAP machine at night, 2 puffs inh", []),
        ("GTN spray and Viagra; low molecular weight heparin", ["glyceryl trinitrate", "sildenafil"]),
        ("Does St John’s wort matter with imatinib?", ["st john's wort", "imatinib"]),
    ],
)
def test_names_are_found_in_a_sentence(text: str, expected: list[str]):
    assert [usual_name(name) for name in known_medicines(text)] == expected


def test_a_check_goes_by_what_is_meant_and_tells_both_names():
    check = check_interactions(["Coumadin", "阿司匹林"])
    plain = check_interactions(["warfarin", "aspirin"])
    assert [one.effect for one in check.found] == [one.effect for one in plain.found] != []
    assert "Coumadin (warfarin)" in check.text()
    assert check.unknown == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rifampicin", "birth control pill"),
        ("rifampicin", "避孕药"),
        ("carbamazepine", "oral contraceptives"),
        ("co-amoxiclav", "CellCept"),
        ("doxycycline", "Tums"),
        ("doxycycline", "aluminium hydroxide"),
        ("levothyroxine", "antacid"),
        ("rituximab", "live influenza vaccine"),
    ],
)
def test_an_interaction_with_a_kind_is_one_with_what_is_of_it(one: str, other: str):
    assert check_interactions([one, other]).found
    assert check_interactions([other, one]).found


def test_what_is_of_one_kind_is_not_the_same():
    assert check_interactions(["calcium carbonate", "aluminium hydroxide"]).found == []
    assert check_interactions(["levothyroxine", "aluminium hydroxide"]).found == []


def test_one_medicine_under_two_names_is_told():
    assert (
        "paracetamol and Tylenol are two names of one medicine" in check_interactions(["paracetamol", "Tylenol"]).text()
    )
    assert "Only Warfarin was given" in check_interactions(["Warfarin", "warfarin "]).text()
    assert check_interactions(["warfarin", "aspirin"]).same == []


@pytest.mark.parametrize("query", ["Tylenol", "acetaminophen", "扑热息痛是什么药？", "What is Panadol for?"])
def test_a_fact_is_found_by_another_name(query: str):
    assert look_up(query).passages[0].heading == "Paracetamol"
    assert passage_index().search(query)[0].heading == "Paracetamol"


def test_rules_find_a_check_in_a_chinese_question():
    found = route([HumanMessage("我在吃华法林，可以吃布洛芬吗？")])
    assert found is not None
    assert (found.tool, found.arguments) == ("check_interactions", {"medicines": ["华法林", "布洛芬"]})
