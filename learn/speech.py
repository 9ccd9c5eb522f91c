"""Words with which people speak rather than name: I, how, would, please; in seven languages of Europe.

A request is mostly made of them, a title is not. Among the names of classes they are as rare as the words that matter,
so n-grams take them for evidence. So lexical evidence counts less, the more of an item is speech. Words that are as
usual in titles, such as ``for`` and ``with``, are not among them, and neither are those that are names elsewhere, such
as ``ai`` and ``hay``. Items in other languages are compared as if all of their words named something.
"""

from types import MappingProxyType
from typing import Final

__all__ = ["content_share"]

_BY_LANGUAGE: Final = MappingProxyType(
    {
        "English": "i i'm i'd i've i'll im ive me my mine myself we we're us our you you're your yours it's that's "
        "what what's whats when where where's which who whose why how how's am is are was were be do does did don't "
        "doesn't didn't have haven't can can't cannot could couldn't will won't would should shouldn't may might must "
        "isn't aren't wasn't please want wants need needs tell",
        "Spanish": "yo mis mío mía tú tus usted ustedes nosotros nuestro nuestra qué que cuál cuáles cuándo cuando "
        "dónde donde cómo como quién está están soy estoy tengo tiene tienes puedo puede puedes podría quiero quisiera "
        "necesito debo hago dime",
        "German": "ich mir mich mein meine meinen meiner meinem wir uns unser unsere du dir dich dein deine wann wo "
        "wer wie warum welche welcher welches welchen bin ist sind habe haben kann kannst können könnte muss müssen "
        "soll möchte würde werden wird bitte brauche",
        "French": "je j'ai j'aimerais moi nous notre tu toi vous votre vos quoi quel quelle quels quelles quand où qui "
        "pourquoi comment combien suis êtes avez peux peut pouvez pourrais dois voudrais veux besoin c'est qu'est-ce "
        "est-ce",
        "Portuguese": "eu meu minha meus minhas você vocês nós nosso nossa quais quem porque estou são tenho tem posso "
        "pode poderia quero preciso devo",
        "Italian": "mia miei noi nostro nostra che quale quali dove perché quanto sono puoi potrei può voglio vorrei "
        "bisogno",
        "Dutch": "ik mij mijn wij onze jij je jouw wat wanneer waar waarom hoe welke zijn heb heeft hebben kunnen kunt "
        "moet graag",
    }
)
_SPOKEN: Final = frozenset(word for words in _BY_LANGUAGE.values() for word in words.split())


def content_share(text: str) -> float:
    """Share of the words that are not speech, 0 to 1; 1 where there are none.

    >>> content_share("steel kettle 1.7 l"), content_share("how do i descale it")
    (1.0, 0.4)
    """
    words = text.replace("\u2019", "'").lower().split()
    return sum(word not in _SPOKEN for word in words) / len(words) if words else 1.0
