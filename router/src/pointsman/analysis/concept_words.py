"""What concepts.py looks for: beginnings of words in the languages that are not English.

Guarantees that each concept has an English name in ASCII, which is what evidence shows.
Written by hand; a beginning stands for all forms of a word, an underscore for a space.
Refuses beginnings that other words share, where the author could tell.
"""

from pointsman.api.tasks import Domain

_M, _C, _P, _H, _L, _F, _ANY = (
    Domain.MATHEMATICS,
    Domain.SCIENCE,
    Domain.SOFTWARE,
    Domain.MEDICINE,
    Domain.LAW,
    Domain.FINANCE,
    Domain.GENERAL,
)
ASKED = "quantity asked"
LANGUAGES_OF_CODE = "language of code"
CONCEPTS: tuple[tuple[str, Domain, int, int, str], ...] = (
    ("proof", _M, 2, 3, """
        beweise bewijs démontr prouve demuestr demostrar demonstre demostrac dimostra udowodn
        dokažte kanıtla chứng_minh buktikan докаж доведи докажи برهن أثبت ثابت_کن सिद्ध_कर
        প্রমাণ 证明 證明 証明 증명
    """),
    ("equation", _M, 4, 1, """
        gleichung équation ecuaci equazion equaçã vergelijking równani rovnic denklem
        phương_trình persamaan уравнени рівнянн معادلة معادله समीकरण সমীকরণ 方程 연립 방정식
    """),
    ("probability", _M, 4, 1, """
        wahrscheinlich probabilit probabilid kans_dat prawdopodobień olasılık xác_suất peluang
        вероятност ймовірн احتمال प्रायिकता 概率 機率 确率 確率 확률
    """),
    ("number theory", _M, 4, 2, """
        primzahl nombre_premier nombres_premiers número_primo números_primos numero_primo
        numeri_primi priemgetal liczb_pierwsz asal_sayı số_nguyên_tố bilangan_prima
        простых_чис простое_чис أعداد_أولية الأعداد_الأولية عدد_أولي अभाज्य 质数 素数 質數
        整除 소수가 소수인 소수의 정수
    """),
    ("calculus", _M, 4, 2, """
        integral ableitung dérivée derivada derivat afgeleide całk türev đạo_hàm turunan
        интеграл производн похідн تكامل مشتق समाकल 积分 導數 导数 積分 微分 极限 極限 적분
        미분
    """),
    ("geometry", _M, 4, 1, """
        dreieck triangle triángulo triangol triângulo driehoek trójkąt üçgen tam_giác segitiga
        треугольник трикутник مثلث त्रिभुज 三角形 圆的 直径 半径 面积 面積 삼각형 넓이
    """),
    (ASKED, _M, 2, 1, """
        nombre_total número_total numero_total gesamtzahl insgesamt общую_стоим общее_кол
        ngapi mingapi
        vingapi mangapi wangapi কত_ কতটি কতগুলি কতজন কতটা ఎన్ని ఎంత_ ఎంతమంది กี่ เท่าไร
        เท่าไหร่ 总共 总费用
        何本 何枚 何円 何時間 何分 何ドル 何キロ 何日 何歳
        何ポンド 何匹 何冊 総額 残りは cuánto cuánta quanto_ quanta_ wie_hoch wie_lange
        wie_viele wie_viel combien cuántos cuántas quanti_ quante_ quantos quantas hoeveel
        kaç_ bao_nhiêu berapa сколько скільки كم_عدد چند_ कितने 多少 几个 幾個 一共 共有
        いくつ いくら 何個 何人 合計 몇_ 모두_몇
    """),
    ("calculate", _M, 2, 1, """
        berechne calcule calcula calcular calcola bereken oblicz vypočít hesapla tính_ hitung
        вычисл рассчита обчисл احسب محاسبه गणना 计算 計算 求解 求出 계산
    """),
    ("algorithm", _P, 4, 2, """
        algorit алгоритм خوارزمي الگوریتم एल्गोरिद 算法 演算法 アルゴリズム 알고리즘
        thuật_toán
    """),
    ("program", _P, 2, 1, """
        programm programa_ programar programación quellcode código codice_ logiciel yazılım
        chương_trình kode_ программ скрипт برنامج برمج कोड_ प्रोग्राम 代码 程式 程序 编程 編程
        函数 函數 コード プログラム 関数 코드 프로그램 함수
    """),
    (LANGUAGES_OF_CODE, _P, 2, 1, """
        python javascript typescript java_ c++ golang rust_ sql html api_ docker kubernetes
        linux github bash_
    """),
    ("database", _P, 2, 1, """
        datenbank base_de_données base_de_datos banco_de_dados databas veritabanı
        cơ_sở_dữ_liệu база_данн баз_данн базы_данн قاعدة_بيانات डेटाबेस 数据库 資料庫
        データベース 데이터베이스
    """),
    ("error in code", _P, 2, 1, """
        fehlermeldung debugg erreur_de déboguer depurar mensaje_de_error исключени отладк 报错
        调试 除錯 バグ デバッグ エラー 디버그 오류가
    """),
    ("physics", _C, 4, 2, """
        quanten relativität quantique cuántic quantistic thermodynam termodin elektromagnet
        kuantum lượng_tử квантов термодинам الكم_ كوانتم क्वांटम 量子 物理 热力学 熱力學
        热力学 電磁 电磁 物理学 양자 물리
    """),
    ("chemistry", _C, 4, 2, """
        chemisch chimique químic chimica chemiczn kimyasal hóa_học kimia_ химическ молекул
        كيميائ रसायन 化学 化學 分子 反应式 化学反応 화학 분자
    """),
    ("biology", _C, 4, 1, """
        photosynth fotosínt fotosint biolog enzym mitochond dna_ genetik génétique genétic
        биолог генети фотосинтез بيولوج जीव_विज्ञान 生物 基因 光合 遺伝 酵素 생물 유전
    """),
    ("energy", _C, 1, 1, """
        geschwindigkeit vitesse velocidad velocità velocidade prędkość hız_ vận_tốc kecepatan
        скорость швидкість السرعة سرعت वेग_ 速度 加速度 能量 エネルギー 속도 에너지
    """),
    ("diagnosis", _H, 4, 3, """
        diagnos diagnós diagnoz chẩn_đoán диагноз діагноз تشخيص تشخیص निदान 诊断 診斷 診断
        진단
    """),
    ("patient", _H, 4, 2, """
        patient paciente paziente hastanın hastada hastayı hastaya bệnh_nhân pasien пациент
        пацієнт مريض بیمار मरीज रोगी 患者 病人 환자
    """),
    ("symptoms", _H, 4, 1, """
        symptom síntoma sintom objaw triệu_chứng gejala симптом أعراض علائم लक्षण 症状 症狀
        증상 fieber fièvre fiebre febbre febre gorączk ateş_ 发烧 發燒 発熱 咳嗽 두통
    """),
    ("treatment", _H, 2, 1, """
        behandlung traitement tratamiento trattament tratament leczeni tedavi điều_trị
        pengobatan лечени лікуванн علاج درمان इलाज 治疗 治療 치료 medikament médicament
        medicament лекарств دواء 药物 藥物
    """),
    ("law", _L, 2, 1, """
        rechtlich juristisch gesetz juridique légal abogado jurídic legalmente avvocato
        giuridic prawn_ prawny hukuk yasal luật_ hukum_ закон_ юридич قانون القانون कानून 法律
        法条 民法 刑法 法的 弁護士 律师 律師 법률 법적
    """),
    ("contract", _L, 2, 1, """
        vertrag contrat contrato contratto umow sözleşme hợp_đồng kontrak договор договір عقد_
        قرارداد अनुबंध 合同 合約 契約 계약
    """),
    ("claim", _L, 2, 2, """
        schadenersatz schadensersatz klage_ indemnis indemniz demanda_ tribunal risarcim
        odszkodow tazminat bồi_thường суд_ компенсац تعويض خسارت मुआवज़ा 赔偿 賠償 诉讼 訴訟
        起诉 損害 소송 배상 vermieter kündigung bailleur arrendador
    """),
    ("tax", _F, 4, 1, """
        steuer_ einkommensteuer impôt impuesto imposta imposto belasting podatk vergi_ thuế_
        pajak налог податк ضريب مالیات कर_दर 税务 纳税 税率 税金 세금
    """),
    ("money", _F, 2, 1, """
        zinsen zinssatz intérêt interés tasso_d juros rente_ odsetk faiz_ lãi_suất bunga_
        процент_ставк инвестиц акци_ الفائدة استثمار سرمایه ब्याज निवेश 利率 利息 投资 投資
        股票 株式 金利 금리 투자 주식 kredit crédit crédito
    """),
    ("economy", _F, 2, 1, """
        inflation inflación inflazion inflação inflacj enflasyon lạm_phát inflasi инфляци تضخم
        تورم मुद्रास्फीति 通货膨胀 通膨 経済 经济 經濟 인플레 경제 bilanz bilan_
        balance_général баланс_ 财务 財務
    """),
    ("analyze", _ANY, 0, 3, """
        analysier analyse_ analiza analizza analise_ analizuj analiz_et phân_tích analisis
        проанализир аналіз حلل تحليل تحلیل विश्लेषण 分析 剖析 분석
    """),
    ("compare", _ANY, 0, 2, """
        vergleich compare_ comparer compara confronta vergelijk porówn karşılaştır so_sánh
        bandingkan сравни порівн قارن مقایسه तुलना 比较 比較 对比 비교
    """),
    ("explain why", _ANY, 0, 2, """
        erkläre_warum begründe begründ pourquoi_ justifi explica_por spiega_perch uzasadnij
        neden_ giải_thích jelaskan_mengapa обоснуй объясни_поч поясни_чому اشرح لماذا
        توضیح_بده क्यों_ व्याख्या 为什么 為什麼 解释 解釋 なぜ 説明 理由 설명 왜_
    """),
    ("design", _ANY, 0, 2, """
        entwirf entwerf concevoir conçois diseña progetta projete ontwerp zaprojektuj tasarla
        thiết_kế rancang спроектир разработай صمم طراحی डिज़ाइन 设计 設計 설계
    """),
    ("steps", _ANY, 0, 2, """
        schritt_für_schritt étape_par paso_a_paso passo_dopo passo_a_passo stap_voor krok_po
        adım_adım từng_bước langkah_demi по_шагам пошагов خطوة_بخطوة گام_به चरण_दर 一步 逐步
        步骤 ステップ 段階 단계
    """),
    ("logic", _ANY, 0, 3, """
        logikrätsel rätsel_ énigme acertijo indovinell enigma_ zagadk bilmece câu_đố teka_teki
        загадк логическ لغز معما पहेली 谜题 推理 逻辑 邏輯 推論 論理 논리 추리 lügner_ menteur
        mentiroso 说谎 说真话
    """),
    ("strategy", _ANY, 0, 2, """
        strategie stratégie estrategi strategi estratégi strateji chiến_lược стратеги استراتيج
        रणनीति 策略 战略 戰略 戦略 전략
    """),
    ("conditions", _ANY, 0, 1, """
        mindestens höchstens jeweils au_moins au_plus chacun al_menos cada_uno almeno ciascun
        pelo_menos ten_minste co_najmniej en_az_ ít_nhất setidaknya не_менее каждый_из
        принаймні على_الأقل حداقل कम_से_कम 至少 最多 每个 每個 如果 假设 それぞれ 少なくとも
        적어도 각각
    """),
)  # fmt: skip
"""(name, domain, points for it, points of complexity, beginnings of words), ..."""
