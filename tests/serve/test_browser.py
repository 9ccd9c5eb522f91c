"""The page in a real Chromium: keys, dropped photos, widths, and nothing that runs."""

import io
import re
import shutil
import time

import browser as driving
import pytest
from PIL import Image

from nearclass import Catalog, Item, Settings
from nearclass.schemas.records import Decision

pytestmark = pytest.mark.slow  # a browser takes half a minute

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "' autofocus onfocus=alert(3) x='",
    "javascript:alert(4)",
    "</title></textarea><svg onload=alert(5)>",
    "{{constructor.constructor('alert(6)')()}}",
    '<iframe srcdoc="<script>parent.alert(7)</script>">',
    'hx-on:click=alert(8)" hx-get="/x" hx-trigger="load',
)  # fmt: skip
VIEWS = (
    "/",
    "/review",
    "/review/groups",
    "/try",
    "/classes",
    "/class?id=kettles",
    "/class/change?act=add",
    "/class/change?act=merge&id=kettles",
    "/class/change?act=split&id=kettles",
    "/class/change?act=rollback&to=0",
    "/discover",
)


@pytest.fixture(scope="module")
def catalog(_shop_database, real_encoder, image_encoder, tmp_path_factory):
    """One catalogue for all: a shop with thirty items that wait, three of them with hostile names, one with a photo."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(_shop_database, folder / "shop.db")
    Image.new("RGB", (300, 200), "teal").save(folder / "kettle.png")
    settings = Settings(uri=str(folder / "shop.db"), picture_roots=(folder,))
    with Catalog.open(settings=settings, encoder=real_encoder, image_encoder=image_encoder) as opened:
        opened.classes.add(
            PAYLOADS[0], id=PAYLOADS[1], parent="home", descriptions=[PAYLOADS[4]], synonyms=[PAYLOADS[7]]
        )
        things = ["kettle", "laptop", "boot", "hose", "spade"]
        items = [Item(f"i{place:02}", title=f"{things[place % 5]} or so, number {place}") for place in range(29)]
        items.append(Item("photo", title="a thing with a photo", image="kettle.png", folder=str(folder)))
        items += [Item(one, title=one, description=one, attributes={one: one}) for one in PAYLOADS]
        opened.ingest(items)
        opened.items().decide(
            {one.id: (Decision.REVIEW if at % 3 else Decision.NOVEL, "") for at, one in enumerate(items)}
        )
        yield opened


@pytest.fixture(scope="module")
def address(catalog):
    with driving.listening(catalog) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with driving.chromium() as started:
        yield started


@pytest.fixture
def tab(chromium, address):
    """A fresh page without cookies; nothing was complained of at the end."""
    made = driving.Tab(chromium, address)
    yield made
    made.context.close()
    assert made.trouble == []


def shown(page):
    return page.locator("#desk input[name=item]").first.get_attribute("value")


def press(page, key):
    """Press a key, and wait until another item is shown; the item that was shown before."""
    before = shown(page)
    page.keyboard.press(key)
    for _ in range(200):
        if page.locator("#desk input[name=item]").count() == 0 or shown(page) != before:
            return before
        page.wait_for_timeout(50)
    raise AssertionError(f"{key} on {before!r}: {page.locator('#notice').text_content()}")


def test_a_photo_of_an_item_is_shown_made_anew(tab):
    page = tab.page
    tab.open("/review")
    for _ in range(60):
        if shown(page) == "photo":
            break
        press(page, "s")
    picture = page.get_by_role("img", name="Photo of the item")
    picture.wait_for()
    assert page.wait_for_function("document.querySelector('#desk img').naturalWidth").json_value() == 300
    answer = tab.context.request.get(tab.address + picture.get_attribute("src"))
    assert answer.headers["content-type"] == "image/jpeg"  # the file is a PNG


def test_twenty_items_are_reviewed_by_keyboard_only_and_undone(tab, catalog):
    page = tab.page
    tab.open("/review")
    keys = ["1", "Enter", "2", "n", "s", "3", "5", "4", "Enter", "1"] * 2
    done = [(key, press(page, key)) for key in keys]
    assert len({item_id for _, item_id in done}) == 20
    items = catalog.items()
    for key, item_id in done:
        found = items.get(item_id)
        assert bool(found.confirmed_class) == (key not in {"n", "s"}), (key, item_id)
    assert items.get(done[3][1]).decision == "novel"
    assert page.evaluate("document.activeElement.closest('#desk') !== null")
    assert "belongs to" in page.locator("#status").text_content()
    for _, item_id in reversed(done[-3:]):
        press(page, "u")
        assert shown(page) == item_id
        assert not items.get(item_id).confirmed_class


def test_another_class_is_picked_by_typing(tab, catalog):
    page = tab.page
    tab.open("/review")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("toast")
    page.wait_for_selector("#find-found [role=option]")
    assert page.get_attribute("#find", "aria-expanded") == "true"
    assert page.get_attribute("#find", "aria-activedescendant") == "find-1"
    before = press(page, "Enter")
    assert catalog.items().get(before).confirmed_class == "toasters"
    page.keyboard.press("c")
    page.keyboard.type("n")  # letters in the field are letters
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_a_class_is_added_after_its_preview(tab, catalog):
    page = tab.page
    tab.open("/classes")
    page.get_by_role("link", name="Add a class").click()
    page.get_by_label("Name", exact=True).fill("E-readers")
    page.get_by_label("Below which class").fill("comput")
    page.wait_for_selector("#parent-found [role=option]")
    page.keyboard.press("Enter")
    assert page.get_by_label("Below which class").input_value() == "Computers"
    page.get_by_label("Descriptions").fill("Devices to read e-books on.")
    page.get_by_role("button", name="Show what would change").click()
    page.wait_for_selector("#preview h2", timeout=60_000)
    assert "stored items would" in page.locator("#preview h2").text_content()
    assert "E-readers" not in [spec.name for spec in catalog.classes.taxonomy]
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Added: E-readers").wait_for()
    assert catalog.classes.taxonomy.find("E-readers").parent_id == "computers"
    page.get_by_role("link", name="To the class").click()
    assert page.get_by_role("heading", level=1, name="E-readers").is_visible()


def type_what_spades_go_into(tab, words):
    tab.open("/class?id=spades")
    tab.page.keyboard.press("m")
    tab.page.wait_for_selector("#into:focus")
    tab.page.keyboard.type(words)


def chosen(page, name):
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.locator("#into")).to_have_value(re.compile(name))


def test_enter_takes_the_class_of_the_whole_word_though_the_list_is_still_that_of_its_beginning(tab):
    page = tab.page
    type_what_spades_go_into(tab, "ho")
    page.wait_for_selector("#into-found [role=option]")
    page.keyboard.type("ses")
    page.keyboard.press("Enter")
    chosen(page, "Hoses")


def test_classes_are_merged_and_split_by_keyboard_and_all_is_taken_back(tab, catalog):
    page, before = tab.page, catalog.classes.taxonomy

    def looked_at_and_saved(tabs):
        for key in ["Tab"] * tabs:
            page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == "Show what would change"
        page.keyboard.press("Enter")
        page.wait_for_selector("#preview button:focus", timeout=60_000)
        revision = catalog.classes.taxonomy.revision
        page.keyboard.press("Enter")
        page.wait_for_selector("#preview [data-said]", timeout=60_000)
        assert catalog.classes.taxonomy.revision == revision + 1
        return page.locator("#preview [data-said]").text_content()

    type_what_spades_go_into(tab, "hos")
    page.keyboard.press("Enter")
    chosen(page, "Hoses")
    assert looked_at_and_saved(3) == "Merged into: Hoses"
    assert catalog.classes.taxonomy.follow("spades") == "hoses"
    tab.open("/class?id=boots")
    page.keyboard.press("s")
    page.wait_for_selector("#parts:focus")
    page.keyboard.type("Rain boots: wellingtons\nHiking boots: for mountains")
    assert looked_at_and_saved(3) == "Split: Boots"
    assert len(catalog.classes.taxonomy.children("boots")) == 2
    tab.open("/classes")
    page.locator(f"#log-title ~ div a[href$='to={before.revision}']").click()
    page.wait_for_selector("#message:focus")
    assert looked_at_and_saved(1) == f"Back at revision {before.revision}"
    now = catalog.classes.taxonomy
    assert [one for one in now.ids() if now.is_live(one)] == [one for one in before.ids() if before.is_live(one)]


def test_a_photo_that_is_dropped_is_answered_under_its_name_as_text(tab):
    page = tab.page
    tab.open("/try")
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(data, "PNG")
    name = "<img src=x onerror=alert(9)>.png"
    page.evaluate(
        """([bytes, name]) => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        [list(data.getvalue()), name],
    )
    page.wait_for_selector("#answer .candidates, #notice .bad")
    assert page.locator("#notice .bad").count() == 0, page.locator("#notice").text_content()
    assert name in page.locator("#answer").text_content()
    assert page.locator("#answer img").count() == 0


@pytest.mark.parametrize("width", [320, 390, 800])
def test_no_page_scrolls_sideways(chromium, address, width):
    tab = driving.Tab(chromium, address, viewport={"width": width, "height": 800})
    for view in VIEWS:
        tab.open(view)
        assert tab.wide() <= 0, view
    tab.context.close()
    assert tab.trouble == []


def test_hostile_titles_classes_and_ids_are_text(tab, catalog):
    page = tab.page
    tab.open("/class?id=" + "".join(f"%{byte:02x}" for byte in PAYLOADS[1].encode()))
    assert page.get_by_role("heading", level=1).text_content().strip() == PAYLOADS[0]
    assert page.locator("main script, main img, main iframe, main svg[onload]").count() == 0
    seen = set()
    tab.open("/review")
    for _ in range(60):
        if not page.locator("#desk input[name=item]").count():
            break
        item_id = shown(page)
        if item_id in seen:
            break
        seen.add(item_id)
        assert (
            page.locator("#desk script, #desk iframe, #desk img[src=x], #desk [onfocus], #desk [onload]").count() == 0
        )
        press(page, "s")
    assert seen & set(PAYLOADS)
    tab.open("/review/groups")
    tab.open("/classes")
    page.locator("summary", has_text="Home").click()
    page.get_by_text(PAYLOADS[0]).wait_for()
    page.get_by_label("Find a class").fill("script")
    page.wait_for_selector("#find-found [role=option]")
    assert page.evaluate("[...document.scripts].every(one => one.src.startsWith(location.origin + '/static/'))")


def test_a_policy_stops_what_would_be_injected(tab):
    answer = tab.open("/review")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    tab.page.evaluate(
        "() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1'; document.body.append(one); }"
    )
    assert tab.page.evaluate("window.ran") is None
    assert len(tab.trouble) == 1
    assert "Content Security Policy" in tab.trouble.pop()


@pytest.mark.parametrize("look", ["light", "dark", "mobile"])
def test_every_page_is_drawn(chromium, address, tmp_path, look):
    """Screenshots for whoever looks; here it is checked that each has something on it."""
    size = {"width": 390, "height": 844} if look == "mobile" else {"width": 1280, "height": 860}
    tab = driving.Tab(chromium, address, color_scheme="dark" if look == "dark" else "light", viewport=size)
    for place, view in enumerate(VIEWS):
        tab.open(view)
        if view == "/":
            tab.page.wait_for_selector("canvas[data-ready]", timeout=60_000)
            time.sleep(0.3)
        path = tmp_path / f"{look}-{place}.png"
        tab.page.screenshot(path=path, full_page=True)
        with Image.open(path) as image:
            assert len(image.convert("RGB").getcolors(1 << 24)) > 20
            corner = image.convert("L").getpixel((2, image.height - 2))
            assert (corner < 60) == (look == "dark")
    tab.context.close()
    assert tab.trouble == []
