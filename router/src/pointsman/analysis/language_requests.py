"""More words that tell a language: what requests are made of, and the smaller languages.

Guarantees the same form as language_words.py, which adds these lists to its own.
Written by hand from general knowledge. Refuses words that mean something in English, too.
"""

LATIN: dict[str, str] = {
    "en": """
        summarize summary translate explain write show list describe compare reset password order
        delivery cancel account capital city weather tomorrow today near opening time date meaning
        quick recap following text sentence question answer word words code function number poem
        because while during without against around each every both such here very too again never
        always often still even must shall cannot won could isn doesn didn per its themselves
        something anything someone everyone people thing things way year years day days good best
        better old same different many few under above below between through since until
    """,
    "de": """
        fasse zusammen übersetze gib nenne zeige hilf hilfe beschreibe erstelle vergleiche
        beantworte frage fragen antwort satz sätze sätzen gedicht hauptstadt passwort vergessen
        bestellung rechnung konto heißt bedeutet funktioniert beweise löse berechne zahl zahlen
        diesen diesem welches deutsch englisch ändern dein deine deinen seine ihre ihr ihnen wäre
        würde zwei drei zwischen gegen ohne alle alles immer wieder also damit dann denn
    """,
    "fr": """
        résume résumez traduis traduisez expliquez donne donnez montre montrez dis phrase phrases
        texte poème capitale réponds répondez démontre démontrez calcule calculez corrige trouve
        trouvez suivant suivante deux trois ceci cela étape anglais français lequel laquelle doit
        doivent être avoir mot compte commande facture selon entre depuis pendant toujours jamais
        rien quelque chaque raison réinitialiser merci mer
    """,
    "es": """
        resume traduce traduzca escriba explique dame dime muestra texto frase frases palabra
        poema contraseña cuenta pedido factura responde pregunta demuestra demostración analiza
        compara calcula corrige encuentra siguiente siguientes dos tres raíz cuál cuáles inglés
        español mi ayudarme necesito quisiera dígame entonces porque aunque mientras según
        durante contra nada algo nunca siempre después antes donde hacia paso consecuencias
        legales contrato mar capital
    """,
    "it": """
        riassumi traduci dammi dimmi mostra testo frase frasi parola poesia capitale rispondi
        domanda dimostra calcola trova seguente seguenti due tre qual inglese italiano passaggio
        ogni esempio perciò quindi mentre durante contro niente qualcosa mai sempre dopo prima
        della questa nella dalla sulla reimpostare ordine fattura mare esistono
    """,
    "pt": """
        resuma traduza escreve dê diga mostre texto frase frases palavra poema senha conta pedido
        fatura responda pergunta demonstre calcule encontre seguinte seguintes dois três raiz
        inglês português analise compare cláusula contrato legais consequências redefinir então
        porque embora enquanto segundo durante contra nada algo nunca sempre depois antes isto
        àquele cada passo mar minhas meus nossa nosso faço faz qual
    """,
    "nl": """
        schrijf vertaal leg uit geef vat samen tekst zin zinnen gedicht hoofdstad wachtwoord
        bestelling rekening vraag antwoord bereken bewijs volgende twee drie engels nederlands
        wijzigen zee tussen tegen zonder altijd nooit iets niets daarna voordat omdat waarom
    """,
    "sv": """
        skriv förklara sammanfatta översätt text mening dikt huvudstad lösenord beställning svar
        fråga räkna följande två tre engelska svenska ändrar havet mellan mot utan alltid aldrig
        något inget därför efter före
    """,
    "da": """
        skriv forklar opsummer oversæt tekst sætning digt hovedstad hovedstaden adgangskode
        bestilling svar spørgsmål følgende to tre engelsk dansk ændrer ændre havet mellem imod
        altid aldrig noget intet derfor efter før
    """,
    "no": """
        skriv forklar oppsummer oversett tekst setning dikt hovedstad hovedstaden passordet
        passord bestilling svar spørsmål følgende to tre engelsk norsk endrer endre havet mellom
        mot alltid aldri noe ingenting derfor etter før
    """,
    "fi": """
        kirjoita selitä tiivistä käännä teksti lause runo pääkaupunki salasana salasanani tilaus
        vastaa kysymys laske seuraava kaksi kolme englanniksi suomeksi vaihdan meri merestä välillä
        ilman aina koskaan jotain mitään siksi mikä
    """,
    "pl": """
        napisz przetłumacz streść wyjaśnij podaj tekst zdanie zdania wiersz stolica hasło
        zamówienie odpowiedz pytanie oblicz udowodnij następujący dwa trzy angielski polski
        zmienić morzu między przeciw zawsze nigdy coś nic dlatego potem konta jaka
    """,
    "cs": """
        napiš přelož shrň vysvětli uveď text větu věta báseň hlavní město heslo objednávka odpověz
        otázka spočítej dokaž následující dva tři anglicky česky změním moři mezi proti vždy nikdy
        něco nic proto potom
    """,
    "sk": """
        napíš prelož zhrň vysvetli text vetu báseň hlavné mesto heslo objednávka odpovedz otázka
        vypočítaj dokáž nasledujúci dva tri anglicky slovensky ako kedy kde prečo koľko aký aká aké
        ktorý ktorá ktoré som si sme ste sú je nie áno a alebo ale aj môj moja moje môžem môže mám
        prosím ďakujem príde čo kto pre pri od do na v zo s že
    """,
    "sl": """
        napiši prevedi povzemi razloži besedilo pesem glavno mesto geslo naročilo odgovori
        vprašanje izračunaj dokaži kdaj kje zakaj koliko kateri katera katero kako kaj kdo sem si
        je smo ste so in ali ampak tudi moj moja moje lahko prosim hvala bo bom prišel za pri od do
        na v iz z da ne ni če
    """,
    "hr": """
        napiši prevedi sažmi objasni tekst pjesmu glavni grad lozinku narudžba odgovori pitanje
        izračunaj dokaži kada gdje zašto koliko koji koja koje kako što tko šta ko sam si je smo
        ste su i ili ali također moj moja moje mogu može molim hvala će ću za pri od do na u iz s
        sa da ne nije ako ima
    """,
    "hu": """
        írj fordítsd foglald össze magyarázd szöveg mondat verset fővárosa jelszavam jelszavamat
        rendelés válaszolj kérdés számold bizonyítsd következő két három angolul magyarul tudom
        megváltoztatni tenger tengerről között ellen mindig soha valami semmi ezért azután milyen
        hogyan
    """,
    "ro": """
        scrie tradu traduceți rezumă explică text propoziție poezie capitala parola comandă
        răspunde întrebare calculează demonstrează următorul următoarea doi două trei engleză română
        schimba despre mare între contra mereu niciodată ceva nimic deci apoi care este
    """,
    "tr": """
        yaz çevir özetle açıkla ver göster metin metni cümle şiir başkenti başkent şifremi şifre
        sipariş cevapla soru hesapla kanıtla aşağıdaki iki üç ingilizce türkçe değiştirebilirim
        neresidir hakkında deniz arasında karşı her zaman asla bir şey hiçbir nedenle sonra hangisi
        nerede kim
    """,
    "id": """
        tuliskan tulis terjemahkan ringkas jelaskan berikan tunjukkan teks kalimat puisi ibu kota
        sandi kata pesanan jawab pertanyaan hitung buktikan berikut dua tiga inggris cara mengganti
        tentang laut antara selalu tidak pernah sesuatu karena setelah sebelum apa sebutkan
    """,
    "ms": """
        apakah bilakah berapakah bagaimanakah bolehkah mengapakah siapakah boleh tulis terjemahkan
        ringkaskan terangkan ibu negara kata laluan menukar pesanan soalan kira buktikan berikut
        dua tiga inggeris bungkusan kosnya sampai saya akan tentang laut antara sentiasa kerana
        selepas sebelum anda dan yang ini itu tidak untuk dengan
    """,
    "tl": """
        ano ang mga ng sa na ay at ko mo ka ako siya kami tayo sila ito iyan iyon hindi oo kailan
        saan bakit paano sino magkano ilan po opo salamat kumusta isang isa para kung pero kasi may
        mayroon wala aking iyong kanyang isulat ipaliwanag isalin buod dapat maaari puwede gusto
    """,
    "sw": """
        andika tafsiri eleza fupisha maandishi sentensi shairi mji mkuu upi nenosiri langu lako
        lake agizo jibu swali hesabu thibitisha zifuatazo mbili tatu kiingereza kiswahili
        kubadilisha kuhusu bahari daima kamwe kitu kwa hiyo
    """,
    "ca": """
        què qui quan com per quants quantes quin quina quins quines el la els les un una uns unes i
        o però no és són era del al dels amb sense sobre entre fins meu meva meus seva seu aquest
        aquesta això puc pot vull canviar contrasenya escriu explica tradueix resumeix gràcies
        hola si us plau costa arribarà també molt més
    """,
    "gl": """
        cando canto como quen que onde o a os as un unha uns unhas e ou pero non é son era do da
        dos das ao á con sen sobre entre ata meu miña seu súa este esta isto podo pode quero cambiar
        contrasinal escribe explica traduce grazas ola chegará paquete custa tamén moi máis
    """,
    "af": """
        wanneer hoeveel waar hoekom hoe wat wie die en of maar nie is was het sal kan moet my jou
        sy haar ons julle hulle hierdie daardie dit met vir sonder oor in op uit na tot asseblief
        dankie hallo skryf verduidelik vertaal aankom kos ook baie ek
    """,
    "is": """
        hver hvað hvenær hvar hvers hvernig hversu er eru var og eða en ekki ég þú hann hún við þið
        þeir minn mín mitt þinn þetta þessi með án fyrir frá til um í á að sem get getur vil takk
        skrifaðu útskýrðu þýddu kostar kemur
    """,
    "et": """
        mis kes millal kus miks kuidas kui palju on oli ja või aga ei ma sa ta me te nad mu minu
        sinu see need selle ilma jaoks koos kohale tänan tere palun kirjuta selgita tõlgi pealinn
        maksab jõuab parool muuta ka väga
    """,
    "lv": """
        kas kad kur kāpēc kā cik ir bija un vai bet nav es tu viņš viņa mēs jūs viņi mans mana tavs
        šis šī tas tā ar bez par no uz pie lūdzu paldies sveiki uzraksti paskaidro iztulko parole
        pienāks maksā arī ļoti var
    """,
    "lt": """
        kas kada kur kodėl kaip kiek yra buvo ir ar bet ne aš tu jis ji mes jūs jie mano tavo šis ši
        tai su be apie iš į prie prašau ačiū labas parašyk paaiškink išversk kokia koks kuri
        slaptažodį kainuoja atvyks taip pat labai gali
    """,
    "sq": """
        kush çfarë kur pse si sa është janë ishte dhe ose por jo unë ti ai ajo ne ju ata im ime yt
        ky kjo ky me pa për nga në te të së i e do mund ju lutem faleminderit përshëndetje shkruaj
        shpjego përkthe vijë kushton cili cila gjithashtu shumë
    """,
    "az": """
        nə nədir kim harada haradır niyə necə neçə neçəyədir hansı və ya amma deyil bu o mən sən biz
        siz onlar mənim sənin üçün ilə kimi qədər daha çox az var yox zəhmət olmasa təşəkkür salam
        yaz izah et tərcümə gələcək vaxt paytaxtı şifrəmi
    """,
}
CYRILLIC: dict[str, str] = {
    "ru": """
        напиши переведи объясни перескажи текст предложение стихотворение столица какая пароль
        заказ ответь вопрос вычисли следующий две три английский русский сменить море между против
        всегда никогда что-то поэтому потом реши решите найди найдите сколько докажи о
    """,
    "uk": """
        напиши переклади поясни перекажи текст речення вірш столиця яка пароль замовлення дай
        відповідь питання обчисли наступний дві три англійською українською змінити море між проти
        завжди ніколи тому потім розв'яжи знайди доведи
    """,
    "bg": """
        напиши преведи обясни резюмирай текст изречение стихотворение столица столицата паролата
        поръчка отговори въпрос изчисли следния две три английски български сменя морето между
        против винаги никога затова после реши намери докажи за
    """,
    "sr": """
        напиши преведи објасни текст реченица песму песма главни град лозинку поруџбина одговори
        питање израчунај следећи два три енглески српски мору између против увек никад зато затим
        реши нађи докажи
    """,
}
DEVANAGARI: dict[str, str] = {
    "hi": """
        है हैं था थे थी हूँ हो का की के को से में पर और या लेकिन नहीं यह वह मैं हम तुम आप
        मेरा मेरी मेरे आपका
        क्या कब कहाँ क्यों कैसे कौन कितना कितने कितनी एक इस उस इसे मुझे कर करें करो लिखो
        लिखें बताओ बताइए
        समझाओ अनुवाद कृपया धन्यवाद नमस्ते जाएगा आएगा सकता सकते सकती चाहिए रहा रहे लिए साथ
        तक भी तो ही
        निम्नलिखित
    """,
    "mr": """
        आहे आहेत होता होती होते नाही आणि किंवा पण मी आम्ही तू तुम्ही तो ती ते माझा माझी
        माझे माझ्या तुझा
        तुमचा तुमचे काय कधी कुठे का कसे कसा कोण किती मला तुला त्याला हे ही हा या त्या त्यासाठी साठी
        मध्ये वर खाली लिहा सांगा समजावून भाषांतर करा कृपया धन्यवाद नमस्कार येईल पाहिजे
        शकतो शकते शकता
        खालील मराठीत
    """,
    "ne": """
        छ छन् छु छौं हो हुन् थियो थिए हुन्छ र वा तर होइन म हामी तिमी तपाईं उनी मेरो हाम्रो
        तपाईंको यो त्यो
        के कहिले कहाँ किन कसरी को कति मलाई लाई मा बाट सम्म लागि सँग लेख्नुहोस् भन्नुहोस् बुझाउनुहोस्
        अनुवाद गर्नुहोस् कृपया धन्यवाद नमस्ते आइपुग्छ सक्छु सक्छ गर्न यसको नेपालको
    """,
}
HEBREW: dict[str, str] = {
    "he": """
        את של על עם לא כן אני אתה היא הוא אנחנו הם זה זאת מה מי מתי איפה למה איך כמה יש
        אין אבל או גם
        שלי שלך תודה שלום בבקשה כתוב הסבר תרגם
    """,
    "yi": """
        און איז דער די דאָס מיט פון אויף ניט נישט איך דו ער זי מיר איר זיי וואָס ווער ווען
        וווּ פאַרוואָס ווי
        וועט וויל קען האָט האָבן מיין דיין אַ אָבער אויך
    """,
}
