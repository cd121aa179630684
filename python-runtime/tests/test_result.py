import unittest

import fake_host

fake_host.install()

import _eryx_result


class Describe(unittest.TestCase):
    def test_none_is_no_result(self):
        self.assertIsNone(_eryx_result.describe(None, 100))

    def test_json_where_it_can_be(self):
        self.assertEqual(_eryx_result.describe([1, "é"], 100), (True, '[1, "\\u00e9"]', False))
        self.assertEqual(_eryx_result.describe(10**30, 100), (True, str(10**30), False))

    def test_repr_elsewhere(self):
        self.assertEqual(_eryx_result.describe({1}, 100), (False, "{1}", False))
        self.assertEqual(_eryx_result.describe(float("inf"), 100), (False, "inf", False))

    def test_too_long_is_cut_and_no_longer_json(self):
        self.assertEqual(_eryx_result.describe("abcdef", 4), (False, "'abc", True))

    def test_cut_keeps_characters_whole(self):
        self.assertEqual(_eryx_result.cut("aé", 2), "a")
        self.assertEqual(_eryx_result.cut("aé", 3), "aé")

    def test_lone_surrogates_are_escaped(self):
        self.assertEqual(_eryx_result.safe_text("a\ud800"), "a\\ud800")


if __name__ == "__main__":
    unittest.main()
