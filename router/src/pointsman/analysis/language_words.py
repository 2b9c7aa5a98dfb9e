"""Frequent words of the languages that share a script, for language.py.

Guarantees that every entry is one lower-case word as text.py splits it (at apostrophes).
Written by hand from general knowledge of each language: articles, pronouns, prepositions, question
words, auxiliaries, greetings. Refuses topic words, names and loans that travel between languages.
"""

from pointsman.analysis import language_requests

_LATIN = {
    "en": """
        the a an of to and in is it that this these those for on with as at by from be are was were
        been i you he she we they me my your his her our their what which who whom when where why
        how do does did can could will would should may have has had not no yes if or but so than
        then there please about into out up some any all more most other only just also am t s don
        m ve re ll d much many does hello hi hey thanks thank want need tell give get make write
        find show let us him them its over after before between name first last new use
    """,
    "de": """
        der die das den dem des ein eine einen einem einer eines und oder aber nicht ist sind war
        waren wird werden wurde hat haben hatte ich du er sie es wir ihr mich mir dich dir uns euch
        sich mein meine meinen kein keine mit von zu zum zur im in am an auf aus bei für über unter
        nach vor durch um als wie was wer wo wann warum welche welcher welches wieviel viel viele
        dass ob wenn weil auch noch nur schon sehr bitte danke hallo guten tag kann können muss
        müssen soll möchte möchten gibt jeder jede jeden jedes insgesamt hier dort diese dieser
        dieses einige mehr wurden ins vom bin bist habe schreibe erkläre geht heute morgen jetzt
        man
    """,
    "fr": """
        le la les un une des du de au aux et ou mais ne pas est sont était être été ai as avons
        avez ont avait je tu il elle nous vous ils elles me te se mon ma mes ton ta tes son sa ses
        notre votre leur leurs ce cet cette ces que qui quoi dont où quand comment pourquoi combien
        quel quelle quels quelles dans sur sous avec sans pour par en chez plus moins très bien
        aussi si bonjour merci salut puis peux peut pouvez fait faire y chaque tout tous toute
        toutes après avant entre c l d j n qu s ça donc voudrais écris explique aujourd hui
    """,
    "es": """
        el la los las un una unos unas de del al y o u pero no es son era fue ser estar está están
        estoy he ha han había yo tú él ella nosotros ellos ellas me te se nos lo le les mi mis tu
        tus su sus este esta estos estas ese esa eso que qué quien quién cuando cuándo cómo como
        dónde donde cuánto cuántos cuántas cuánta cuál por porque para con sin sobre en entre hasta
        desde más menos muy también si sí hola gracias buenos días puedo puede puedes quiero tiene
        tienen tengo hay cada todo todos hacer favor escribe explica ayuda necesito a
    """,
    "it": """
        il lo la i gli le un uno una di del dello della dei degli delle da dal dalla al allo alla
        ai agli alle nel nella nei e ed o ma non è sono era erano essere stato stata ho hai ha
        abbiamo hanno io tu lui lei noi voi loro mi ti si ci mio mia tuo sua suo questo questa
        questi queste quello che chi cosa come dove quando perché quanto quanti quante quale per
        con senza su tra fra più meno molto anche se ciao grazie buongiorno posso può puoi vorrei
        fare ogni tutti tutto scrivi spiega l d c aiuto in
    """,
    "pt": """
        o a os as um uma uns umas de do da dos das no na nos nas ao à aos e ou mas não é são era
        foi ser estar está estão estou eu tu você vocês ele ela nós eles elas me te se meu minha
        seu sua seus este esta isso esse essa que quem quando como onde quanto quantos quantas qual
        quais por porque para com sem sobre em entre até mais menos muito também sim olá obrigado
        obrigada bom dia posso pode quero tem têm tenho há cada todo todos fazer favor escreva
        explique ajuda preciso num numa pelo pela
    """,
    "nl": """
        de het een en of maar niet is zijn was waren wordt worden werd heeft hebben had ik jij je
        hij zij ze wij we jullie u mij hem haar ons onze mijn jouw dit dat deze die wat wie waar
        wanneer waarom hoe hoeveel welke van voor met zonder op in aan uit bij over onder naar door
        om als ook nog alleen al zeer heel graag dank bedankt hallo goedemorgen kan kunnen moet
        moeten wil zou er te tot geen veel meer elke ben bent schrijf leg alle iedere
    """,
    "sv": """
        den det en ett de och eller men inte är var varit vara blir blev har hade jag du han hon vi
        ni de mig dig oss min mitt mina din ditt sin sitt detta denna dessa vad vem var när varför
        hur många mycket vilken vilket av för med utan på i till från under över genom om som också
        bara redan mycket tack hej snälla kan måste ska skulle vill finns att så varje alla någon
        skriv förklara där här sig
    """,
    "da": """
        den det en et de og eller men ikke er var været være bliver blev har havde jeg du han hun
        vi i mig dig os min mit mine din dit denne dette disse hvad hvem hvor hvornår hvorfor
        hvordan mange meget hvilken af for med uden på til fra under over gennem om som også kun
        tak hej venligst kan skal skulle vil at så hver alle nogen skriv forklar sig dem
    """,
    "no": """
        den det en et ei de og eller men ikke er var vært være blir ble har hadde jeg du han hun vi
        dere meg deg oss min mitt mine din ditt denne dette disse hva hvem hvor når hvorfor hvordan
        mange mye hvilken av for med uten på til fra under over gjennom om som også bare takk hei
        vennligst kan skal skulle vil å så hver alle noen skriv forklar seg dem
    """,
    "pl": """
        mogę możesz mojego mojej chcę się jestem są
        i w z na do nie się jest są był była było być to ten ta te tego tej tym że co kto kiedy
        gdzie dlaczego jak ile jaki jaka jakie który która które po przez dla od za pod nad przed
        bez o u lub albo ale oraz ja ty on ona my wy oni mnie mi ciebie go jej ich mój moja moje
        czy już tylko też bardzo proszę dziękuję cześć dzień dobry mam ma mają może można chcę
        każdy napisz wyjaśnij jeśli
    """,
    "tr": """
        bir ve veya ama değil bu şu o ben sen biz siz onlar benim senin bana sana beni ne kim
        nerede ne zaman neden niçin nasıl kaç hangi için ile gibi kadar daha çok az var yok mı mi
        mu mü olan olarak sonra önce her tüm bütün lütfen teşekkürler teşekkür merhaba selam
        günaydın eder ederim istiyorum olur oldu eğer ise de da ki yaz açıkla nedir
    """,
    "vi": """
        và của là có không được cho với trong trên này đó những các một tôi bạn anh chị em chúng ta
        họ nó gì ai đâu nào khi sao thế bao nhiêu hãy xin chào cảm ơn như để từ đến về ra vào đã
        đang sẽ rất nhiều cũng nhưng hoặc nếu thì mà người viết giải thích giúp mỗi
    """,
    "id": """
        yang dan di ke dari untuk dengan pada adalah ini itu tidak bukan akan telah sudah saya aku
        kamu anda dia kami kita mereka apa siapa kapan mana mengapa kenapa bagaimana berapa atau
        tetapi tapi juga hanya lebih sangat banyak ada oleh dalam sebagai karena jika kalau bisa
        dapat harus tolong terima kasih halo selamat setiap semua tulis jelaskan seorang sebuah
    """,
    "ro": """
        și şi în la de cu pe un o unei unui este sunt era fost fi nu da eu tu el ea noi voi ei ele
        mă te se îmi îți meu mea mei tău său acest această acesta aceasta ce cine când unde cum cât
        câți câte care din pentru prin fără despre după sau dar că să dacă mai foarte doar
        mulțumesc bună ziua salut vă rog pot poate vreau am are au fiecare toate scrie explică al
        ale lui
    """,
    "cs": """
        mohu můžete mojí svůj svému prosím jsou jsme
        a v ve na do ne se je jsou byl byla bylo být to ten ta toto tento že co kdo kdy kde proč
        jak kolik jaký jaká jaké který která které po přes pro od za pod nad před bez o u nebo ale
        já ty on ona my vy oni mě mi tě ho jí jejich můj moje jestli už jen také velmi prosím
        děkuji ahoj dobrý den mám má mají může chci každý napiš vysvětli z s k jsem
    """,
    "sw": """
        yangu yako changu chako wangu naweza ninawezaje unaweza vipi mimi nataka tulikuwa
        na ya wa kwa ni la za katika hii hiyo hizo huo kuwa alikuwa ana wana ina ambao ambayo mimi
        wewe yeye sisi nyinyi wao nini nani lini wapi kwa nini jinsi gani ngapi kila pia lakini au
        kama hapana ndiyo tafadhali asante habari jambo karibu sana zaidi baada kabla hadi kutoka
        je ikiwa wote yote moja watu siku nina tuna wake yake zake cha vya
    """,
    "fi": """
        ja on ei ole se hän minä sinä me te he tämä tuo mitä mikä kuka missä milloin miksi miten
        kuinka paljon monta että kun jos tai mutta myös vain kiitos hei ole hyvä voi voiko pitää
        oli olivat olla kanssa ennen jälkeen hyvää minun sinun hänen kaikki joka jotka niin nyt
        kirjoita selitä
    """,
    "hu": """
        a az egy és vagy de nem van volt lesz ez azt ezt én te ő mi ti ők mit ki hol mikor miért
        hogyan hány mennyi melyik hogy ha is csak már még nagyon kérem köszönöm szia jó napot kell
        lehet minden után előtt között alatt írj magyarázd meg el
    """,
}
_CYRILLIC = {
    "ru": """
        и в во на с со к по из за от до для о об не но или что кто где когда почему как сколько
        какой какая какие который которая это этот эта эти тот был была было были быть есть нет я
        ты он она мы вы они мне меня тебе его её ее их мой моя мои если же ли бы уже только очень
        пожалуйста спасибо привет здравствуйте можно нужно может каждый у все всего после чтобы
        напиши объясни
    """,
    "uk": """
        і й в у на з із до по за від для про не але або що хто де коли чому як скільки який яка які
        це цей ця ці був була було були бути є немає я ти він вона ми ви вони мені мене тобі його
        її їх мій моя якщо вже тільки дуже будь ласка дякую привіт вітаю можна треба може кожен усе
        після щоб напиши поясни та
    """,
    "bg": """
        и в във на с със към по от за до не но или че какво кой коя кои къде кога защо как колко
        това този тази тези беше бяха е са съм аз ти той тя ние вие те ми ме му ѝ им моля благодаря
        здравей здравейте може трябва всеки след преди ако ще да се си много само също напиши
    """,
    "sr": """
        и у на са с из за од до по не али или шта што ко где када зашто како колико који која које
        ово овај ова ови је су био била било бити сам ја ти он она ми ви они ме ми га јој њих мој
        моја ако већ само веома молим хвала здраво може треба сваки после да се напиши
    """,
}


def _weights(lists: dict[str, str]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return word -> ((language, points), ...): 6 points for one language, fewer if shared."""
    owners: dict[str, list[str]] = {}
    for language, words in lists.items():
        for word in dict.fromkeys(words.split()):
            if len(word) == 1 and word.isascii():
                continue  # a variable, an option or an initial as often as a word
            owners.setdefault(word, []).append(language)
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    one: dict[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]] = {}
    for word, languages in owners.items():
        value = tuple((language, max(6 // len(languages), 1)) for language in languages)
        found[word] = one.setdefault(value, value)  # equal values are one object
    return found


# Letters few languages write; each found counts as a word of theirs. Names bring them into English
# too, which is why they only add to the votes.
LATIN_LETTERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("łżśźń", ("pl",)),
    **dict.fromkeys("ąę", ("pl", "lt")),
    "ć": ("pl", "hr"),
    **dict.fromkeys("ěřů", ("cs",)),
    **dict.fromkeys("ľĺŕ", ("sk",)),
    **dict.fromkeys("čšž", ("cs", "sk", "sl", "hr", "lv", "lt")),
    **dict.fromkeys("āēīļņģķ", ("lv",)),
    **dict.fromkeys("ėįų", ("lt",)),
    "ū": ("lt", "lv"),
    **dict.fromkeys("ðþ", ("is",)),
    "đ": ("hr", "vi"),
    "ə": ("az",),
    "ë": ("sq", "nl"),
    "ç": ("fr", "pt", "tr", "sq", "ca", "az"),
    **dict.fromkeys("êâô", ("fr", "pt")),
    "è": ("it", "fr", "ca"),
    "ù": ("it", "fr"),
    "ö": ("de", "sv", "fi", "tr", "hu", "et", "is"),
    "ä": ("de", "sv", "fi", "et"),
    "ü": ("de", "tr", "hu", "et"),
    "õ": ("pt", "et"),
    "í": ("es", "pt", "cs", "sk", "hu", "is"),
    **dict.fromkeys("ășț", ("ro",)),
    **dict.fromkeys("ğı", ("tr", "az")),
    "ã": ("pt",),
    **dict.fromkeys("őű", ("hu",)),
    **dict.fromkeys("æø", ("da", "no")),
    "ş": ("tr", "az"),
    "ñ": ("es",),
    "ß": ("de",),
    "å": ("sv", "da", "no"),
}


def _joined(own: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    """Return the lists of both, language by language."""
    return {code: f"{own.get(code, '')} {more.get(code, '')}" for code in {**own, **more}}


LATIN_CODES = tuple(_joined(_LATIN, language_requests.LATIN))
CYRILLIC_CODES = tuple(_joined(_CYRILLIC, language_requests.CYRILLIC))
DEVANAGARI_CODES = tuple(language_requests.DEVANAGARI)
HEBREW_CODES = tuple(language_requests.HEBREW)
LATIN_WORDS = _weights(_joined(_LATIN, language_requests.LATIN))
CYRILLIC_WORDS = _weights(_joined(_CYRILLIC, language_requests.CYRILLIC))
DEVANAGARI_WORDS = _weights(language_requests.DEVANAGARI)
HEBREW_WORDS = _weights(language_requests.HEBREW)
