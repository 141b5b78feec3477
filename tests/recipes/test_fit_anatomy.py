import fit_anatomy
import numpy as np
from fit_anatomy import homologue, with_mirror_images


def test_partners_differ_in_their_last_letter_alone():
    assert [homologue(name) for name in ("AVAL", "AVAR", "ALA", "VB02")] == [
        "AVAR",
        "AVAL",
        "ALA",
        "VB02",
    ]


def test_a_mirror_image_has_its_sides_exchanged_and_lacks_what_the_head_lacks():
    names = ["AVAL", "AVAR", "RIS"]
    heads = np.random.default_rng(0).normal(0, 3, (5, 3, 3))
    heads[1, 0] = np.nan
    both = with_mirror_images(heads, names)
    assert both.shape == (10, 3, 3)
    np.testing.assert_array_equal(both[:5], heads)
    assert np.isnan(both[6, 1]).all(), "AVAL was not seen, so its image AVAR is not there"
    mean = np.nanmedian(heads, axis=0)
    for name, other in ((0, 1), (1, 0), (2, 2)):
        off = heads[0, name] - mean[name]
        np.testing.assert_allclose(both[5, other] - mean[other], off * [1, 1, -1], atol=1e-12)


def test_a_factor_model_knows_how_far_what_it_was_made_from_strays():
    rng = np.random.default_rng(1)
    loading = rng.normal(0, 2.0, (30, 1))
    mode = rng.standard_normal((400, 1))
    tail = np.sqrt(4.0 / rng.chisquare(4.0, (400, 10)))
    noise = 0.8 * rng.standard_normal((400, 30)) * np.repeat(tail, 3, axis=1)
    for copies in (1.0, 2.0):
        model = fit_anatomy.fit_factors(mode @ loading.T + noise, np.full(400, copies), 1)
        assert abs(np.median(np.sqrt(model.variance)) - 0.8) < 0.08
