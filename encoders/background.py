"""Texts about nothing in particular, to learn how similar unrelated things look in a space.

Cosines of unrelated texts lie around 0.1 in some spaces and around 0.75 in others. What these texts score against a
set of classes is what an item that belongs to none of them may score, which gives a default threshold for "no class
fits" without any label. They are everyday statements on wide topics, none of them a product, a request or a ticket.
"""

from typing import Final

__all__ = ["BACKGROUND", "UNRELATED_PICTURES"]

UNRELATED_PICTURES: Final = 62
"""Pictures of ``encoders.unrelated``, counted where nothing need be drawn. Their vectors are kept under this number:
whoever draws others draws another number of them."""

BACKGROUND: Final = (
    "The river froze over in the first week of January.",
    "Her grandmother taught four languages at the village school.",
    "The committee postponed the vote until after the holidays.",
    "A comet that returns every seventy-six years.",
    "He lost the chess match in twenty-three moves.",
    "The old bridge was closed after the flood.",
    "Photosynthesis turns light into chemical energy.",
    "They married in a small chapel by the sea.",
    "The goalkeeper saved two penalties in the final.",
    "Inflation fell for the third month in a row.",
    "The treaty was signed in 1648.",
    "An owl was calling from the top of the barn.",
    "The orchestra tuned while the audience took their seats.",
    "Volcanic ash grounded flights across the continent.",
    "She dreamt that she could speak with whales.",
    "The judge dismissed the case for lack of evidence.",
    "Every prime greater than two is odd.",
    "The mayor opened the new library on Saturday.",
    "Two cousins inherited the farm and quarrelled over it.",
    "The desert blooms for a few days after rain.",
    "He has not spoken to his brother for ten years.",
    "The expedition reached the pole on foot.",
    "Dialects differ from valley to valley.",
    "The strike ended after eleven weeks.",
    "A proverb says that patience wins in the end.",
    "The glacier has retreated by two kilometres.",
    "Migrating geese fly in the shape of a V.",
    "The novel was published after the author's death.",
    "Parliament passed the budget by a narrow majority.",
    "The children built a fort out of snow.",
    "Bacteria were found deep below the ocean floor.",
    "The monastery stands on a rock above the lake.",
    "He swore an oath of loyalty to the queen.",
    "The earthquake was felt three hundred kilometres away.",
    "Her thesis is about medieval trade routes.",
    "The referee added four minutes of stoppage time.",
    "Nobody remembered who had planted the oak.",
    "The satellite burned up over the Pacific.",
    "The drummer left the band before the second album.",
    "Bees tell each other the way by dancing.",
    "The witness changed his statement twice.",
    "The town celebrates its founding every five years.",
    "Gravity bends the path of light.",
    "The general refused to surrender the fortress.",
    "A fox crossed the road in the moonlight.",
    "The statue lost its nose centuries ago.",
    "The professor answered every question with another.",
    "Fog covered the harbour until noon.",
    "The election will be held in the autumn.",
    "His ancestors came over the mountains on foot.",
    "The poem has seventeen syllables.",
    "The tide left strange patterns in the sand.",
    "A rumour spread through the village overnight.",
    "The species was thought to be extinct.",
    "The pilot landed safely with one engine.",
    "Silence fell when the verdict was read.",
    "The census counts everyone once in ten years.",
    "The cathedral took two hundred years to build.",
    "Stars of that kind end as white dwarfs.",
    "The runner collapsed just before the finish.",
)
