"""Every fault at every strength keeps its promises; what each family does is compared with facts from outside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import sobel
from skimage.measure import euler_number, label, regionprops

from jsddpm.errors import JsddpmError
from jsddpm_eval.selftest.fault import chosen_faults, known_faults
from jsddpm_eval.selftest.faults._pixels import heads, without_lesion
from jsddpm_eval.selftest.run import CORE
from selftests import cohort

FAULTS = known_faults()
CHECKS = {
    "unlike_real", "sharpness", "texture", "intensity", "outline", "outliers", "collapsed", "copied", "misplaced",
    "disobeyed", "control_lesion", "lesion_contrast", "lesion_shape",
}  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return cohort().world(6, np.random.default_rng(1))


def made(world, name, place=-1, seed=2):
    fault = FAULTS[name]
    return fault.generate(world, fault.strengths[place], np.random.default_rng(seed))


def lesions(world):
    return world.pathology == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_every_fault_at_every_strength(fault, world):
    perfect = world.perfect
    affected = np.array([fault.affected(k, p, 4) for k, p in zip(world.z_bin, world.pathology, strict=True)])
    assert affected.any()
    assert len(set(fault.strengths)) >= 3
    assert set(fault.expected) <= CHECKS
    for place in range(len(fault.strengths)):
        planted, again = made(world, fault.name, place), made(world, fault.name, place)
        assert planted.images.shape == perfect.images.shape == planted.masks.shape
        assert (planted.images.dtype, planted.masks.dtype) == (np.float32, bool)
        assert planted.images.min() >= 0
        assert planted.images.max() <= 1
        np.testing.assert_array_equal(planted.images, again.images)
        np.testing.assert_array_equal(planted.masks, again.masks)
        np.testing.assert_array_equal(planted.images[~affected], perfect.images[~affected])
        np.testing.assert_array_equal(planted.masks[~affected], perfect.masks[~affected])
        np.testing.assert_array_equal((planted.z_bin, planted.pathology), (perfect.z_bin, perfect.pathology))
    if fault.name != "masks_one_part":  # every lesion of this world has one part
        differs = (planted.images != perfect.images) | (planted.masks != perfect.masks)
        assert differs[affected].any()


def test_names_are_unique_families_are_files_and_unknown_ones_are_refused():
    assert len(FAULTS) > 100
    assert set(CORE) <= set(FAULTS)
    assert [f.name for f in chosen_faults(("blur", "gain"))] == ["gain", "blur"]
    assert {f.family for f in chosen_faults(("copies",))} == {"copies"}
    with pytest.raises(JsddpmError, match=r"unknown fault 'blurr'.*did you mean blur"):
        chosen_faults(("blurr",))


def test_copies_are_training_slices_and_none_of_held_out_patients(world):
    training = {image.tobytes() for image in world.slices.images[world.training]}
    held_out = {image.tobytes() for image in world.slices.images[world.held_out]}
    exact = [image.tobytes() for image in made(world, "copy_exact").images]
    assert all(image in training for image in exact)
    assert not held_out.intersection(exact)
    shares = [sum(i.tobytes() in training for i in made(world, "copy_exact", n).images) for n in range(3)]
    assert shares == [len(exact) // 4, len(exact) // 2, len(exact)]
    back = made(world, "copy_mirrored").images[:, :, ::-1]
    assert all(np.ascontiguousarray(image).tobytes() in training for image in back)


def test_noise_of_copies_has_its_standard_deviation(world):
    noisy = made(world, "copy_noise", 0).images
    nearest = min(((noisy[0] - image)[image > 0.2] for image in world.slices.images[world.training]), key=np.std)
    assert np.std(nearest) == pytest.approx(0.05, rel=0.1)


def test_a_collapse_shows_so_many_patients_and_duplicates_are_exact(world):
    for place, count in enumerate((4, 2, 1)):
        images = made(world, "few_patients", place).images[(world.z_bin == 1) & lesions(world)]
        source = world.slices.images[world.source]
        owners = [world.slices.patient[world.source][np.abs(source - i).mean((1, 2)).argmin()] for i in images]
        assert len(set(owners)) == count
    images = made(world, "duplicates").images[(world.z_bin == 2) & lesions(world)]
    assert len(np.unique(images, axis=0)) == 1


def test_shifted_bins_show_slices_of_those_bins(world):
    bins = {i.tobytes(): k for i, k in zip(world.slices.images, world.slices.z_bin, strict=True)}
    shown = np.array([bins[i.tobytes()] for i in made(world, "bins_up", 0).images])
    np.testing.assert_array_equal(shown, np.where(world.z_bin < 3, world.z_bin + 1, 2))
    shown = np.array([bins[i.tobytes()] for i in made(world, "bins_down", 1).images])
    np.testing.assert_array_equal(shown, np.where(world.z_bin >= 2, world.z_bin - 2, world.z_bin + 2))


@pytest.mark.parametrize("name", ["blur", "median", "resampled", "blur_rows"])
def test_smoothing_lowers_the_gradient_energy_of_tissue_step_by_step(world, name):
    def energy(images):
        return np.mean([sobel(image)[14:26, 10:22] ** 2 for image in images[~lesions(world)]])

    energies = [energy(made(world, name, n).images) for n in range(3)]
    assert energy(world.perfect.images) > energies[0] > energies[1] > energies[2]


def test_a_gain_is_one_and_a_checkerboard_lies_at_the_highest_frequency(world):
    before, tissue = world.perfect.images, (world.perfect.images > 0.1) & (world.perfect.images < 0.7)
    np.testing.assert_allclose(made(world, "gain").images[tissue] / before[tissue], 1.2, rtol=1e-5)
    change = np.abs(np.fft.fft2(made(world, "checkerboard").images - before).mean(0))
    assert np.unravel_index(change.argmax(), change.shape) == (20, 16)
    ringing = np.abs(np.fft.fft2(made(world, "ringing", 2).images[0]))
    assert ringing[20, 16] < 0.05 * np.abs(np.fft.fft2(before[0]))[0, 0] / before[0].size ** 0.5


def test_outlines_have_the_size_and_place_they_are_said_to_have(world):
    def areas(images):
        return np.array([ndimage.binary_fill_holes(image > 0.375).sum() for image in images])

    ratio = areas(made(world, "shrunk").images) / areas(world.perfect.images)
    assert np.median(ratio) == pytest.approx(0.81, abs=0.02)
    step = np.array([
        np.subtract(ndimage.center_of_mass(a), ndimage.center_of_mass(b))
        for a, b in zip(made(world, "moved", 1).images, world.perfect.images, strict=True)
    ])  # fmt: skip
    assert np.abs(np.abs(step) - 2).max() < 0.2
    around = made(world, "noise_around").images
    inside = heads(world.perfect.images)
    np.testing.assert_array_equal(around[inside], world.perfect.images[inside])


def test_heads_are_moved_and_turned_by_nothing_on_average(world):
    steps = np.array([
        np.subtract(ndimage.center_of_mass(after), ndimage.center_of_mass(before))
        for after, before in zip(made(world, "moved_at_random", 0).images, world.perfect.images, strict=True)
    ])  # fmt: skip
    np.testing.assert_allclose(np.abs(steps), 2, atol=0.2)
    assert {tuple(s) for s in np.sign(steps).astype(int).tolist()} == {(-1, -1), (-1, 1), (1, -1), (1, 1)}
    places = np.flatnonzero(~lesions(world))
    turned = made(world, "turned_at_random", 1).images[places]
    back = [[ndimage.rotate(x, sign * 8, reshape=False) for x in turned] for sign in (-1, 1)]
    off = np.abs(np.array(back) - world.perfect.images[places]).mean((2, 3))
    assert 0.2 < np.mean(off[0] < off[1]) < 0.8
    assert (off.min(0) < 0.6 * off.max(0)).all()


def test_half_of_the_samples_are_smoother_and_the_others_sharper(world):
    energy = [np.abs(np.diff(images, axis=1)).mean((1, 2)) for images in (
        made(world, "half_sharpened").images, world.perfect.images)]  # fmt: skip
    assert np.sum(energy[0] < energy[1]) == len(world.draw) / 2


def test_holes_and_wrapped_heads_are_a_share_of_the_samples(world):
    before = world.perfect.images
    for place, share in enumerate((0.1, 0.3)):
        images = made(world, "hole", place).images
        changed = (images != before).sum((1, 2))
        assert abs((changed > 0).sum() - share * len(before)) <= 1
        assert changed.max() == 25
        assert not images[images != before].any()
    wrapped = made(world, "wrapped").images
    whole = (wrapped == np.roll(before, 9, axis=1)).all((1, 2))  # of 40 rows
    assert abs(whole.sum() - 0.3 * len(before)) <= 1
    np.testing.assert_array_equal(wrapped[~whole], before[~whole])


def test_garbage_is_a_minority_of_the_stated_share(world):
    blank = [np.sum(made(world, "garbage_blank", n).images.max((1, 2)) == 0) for n in range(3)]
    assert np.abs(np.subtract(blank, np.array([0.05, 0.1, 0.2]) * len(world.draw))).max() <= 1
    before = world.perfect.images
    for name, expected in (
        ("garbage_dark", before * np.float32(0.03)),
        ("garbage_halved", before * (np.arange(before.shape[1]) < before.shape[1] / 2)[:, None]),
    ):
        after = made(world, name).images
        changed = (after != before).any((1, 2))
        assert abs(changed.sum() - 0.2 * len(before)) <= 1
        np.testing.assert_allclose(after[changed], expected[changed])
    tiles = made(world, "garbage_tiles").images
    np.testing.assert_allclose(tiles.mean((1, 2)), world.perfect.images.mean((1, 2)), atol=1e-6)


def test_disobedience(world):
    shown = made(world, "swapped").masks.any((1, 2))
    np.testing.assert_array_equal(shown, world.pathology == 0)
    assert not made(world, "control_lesions").masks[~lesions(world)].any()
    bright = made(world, "control_lesions").images[~lesions(world)]
    assert {i.tobytes() for i in bright} <= {i.tobytes() for i in world.slices.images[world.slices.pathology == 1]}


def test_permuted_masks_are_the_same_masks_and_none_stays(world):
    before, after = world.perfect.masks, made(world, "masks_permuted").masks
    for k in range(4):
        places = np.flatnonzero((world.z_bin == k) & lesions(world))
        assert sorted(m.tobytes() for m in before[places]) == sorted(m.tobytes() for m in after[places])
        assert (before[places] != after[places]).any((1, 2)).all()


def test_masks_change_by_exactly_what_scipy_says(world):
    cross = ndimage.generate_binary_structure(2, 1)
    for n, times in enumerate((1, 2, 3)):
        for before, after in zip(world.perfect.masks, made(world, "masks_dilated", n).masks, strict=True):
            np.testing.assert_array_equal(
                after, ndimage.binary_dilation(before, cross, times) if before.any() else before
            )
    for before, after in zip(world.perfect.masks, made(world, "masks_eroded", 0).masks, strict=True):
        np.testing.assert_array_equal(after, ndimage.binary_erosion(before, cross))
    assert (made(world, "masks_eroded").masks.any((1, 2)) == lesions(world)).all()
    assert (made(world, "masks_one_pixel").masks.sum((1, 2)) == lesions(world)).all()


def test_moved_masks_keep_their_form_and_boxes_are_full(world):
    places = np.flatnonzero(lesions(world))
    for before, after in zip(world.perfect.masks[places], made(world, "masks_moved", 0).masks[places], strict=True):
        step = np.subtract(ndimage.center_of_mass(after), ndimage.center_of_mass(before))
        assert np.hypot(*step) == pytest.approx(3)
        assert after.sum() == before.sum()
    boxed = made(world, "masks_boxed").masks[places]
    assert all(regionprops(m.astype(int))[0].extent == 1 for m in boxed)
    parts = [label(m).max() for m in made(world, "masks_more_parts").masks[places]]
    assert np.mean(parts) > 2
    assert all(euler_number(m, 1) == 1 for m in made(world, "masks_rounded").masks[places])


def test_lesions_lose_their_contrast_by_the_factor(world):
    places = np.flatnonzero(lesions(world))

    def contrast(images):
        masks = world.perfect.masks[places]
        inner = ndimage.binary_erosion(masks, np.ones((1, 3, 3)))
        ring = ndimage.binary_dilation(masks, np.ones((1, 5, 5))) & ~ndimage.binary_dilation(masks, np.ones((1, 3, 3)))
        return images[places][inner].mean() - images[places][ring].mean()

    before = float(contrast(world.perfect.images))
    assert before == pytest.approx(0.25, abs=0.03)
    assert abs(contrast(made(world, "lesions_removed").images)) < 0.2 * before
    assert contrast(made(world, "lesions_faint", 1).images) == pytest.approx(0.5 * before, abs=0.1 * before)
    assert contrast(made(world, "lesions_dark").images) < -0.7 * before
    outside = ~ndimage.binary_dilation(world.perfect.masks, np.ones((1, 3, 3)))
    healed = without_lesion(world.perfect.images, world.perfect.masks)
    np.testing.assert_array_equal(healed[outside], world.perfect.images[outside])


def test_lesions_all_in_one_place(world):
    places = np.flatnonzero(lesions(world))
    centres = np.array([ndimage.center_of_mass(m) for m in made(world, "one_place").masks[places]])
    assert np.ptp(centres, axis=0).max() < 1.5
