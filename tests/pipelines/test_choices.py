from __future__ import annotations

import subprocess
import sys

from chrominance.pipelines import choices, color_match, recolor


def test_what_can_be_chosen_is_what_there_is():
    assert tuple(recolor.METHODS) == choices.RECOLOR_METHODS
    assert tuple(color_match.METHODS) == choices.MATCH_METHODS


def test_it_imports_nothing_of_the_engine():
    code = "import sys, chrominance.pipelines.choices; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
